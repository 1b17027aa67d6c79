-- What earlier attempts were merged from: the newest result that each dependency had when they started.
INSERT INTO `foundations` (`attempt`, `patch`)
SELECT `attempts`.`id`, `patches`.`id`
FROM `attempts`
JOIN `dependencies` ON `dependencies`.`task` = `attempts`.`task`
JOIN `patches` ON `patches`.`rowid` = (
	SELECT max(`earlier`.`rowid`) FROM `patches` AS `earlier`
	WHERE `earlier`.`task` = `dependencies`.`dependsOn` AND `earlier`.`createdAt` <= `attempts`.`startedAt`
)
WHERE `patches`.`state` NOT IN ('salvaged', 'rejected', 'stale');
