DROP INDEX `tasks_queue`;--> statement-breakpoint
ALTER TABLE `tasks` ADD `heldBy` text REFERENCES tasks(id);--> statement-breakpoint
-- What is queued already is of medium size, 3 each; of a chain 100 tasks count, which is enough for an order.
WITH RECURSIVE `lengths`(`task`, `length`) AS (
	SELECT `id`, 1 FROM `tasks`
	UNION
	SELECT `dependencies`.`dependsOn`, `length` + 1
	FROM `lengths` JOIN `dependencies` ON `dependencies`.`task` = `lengths`.`task`
	WHERE `length` < 100
)
UPDATE `tasks` SET `chain` = 3 * `longest`.`length`
FROM (SELECT `task`, max(`length`) AS `length` FROM `lengths` GROUP BY `task`) AS `longest`
WHERE `longest`.`task` = `tasks`.`id`;
--> statement-breakpoint
CREATE INDEX `tasks_held` ON `tasks` (`heldBy`) WHERE "heldBy" IS NOT NULL;--> statement-breakpoint
CREATE INDEX `tasks_queue` ON `tasks` (`state`,`heldBy`,`priority`,"chain" desc,`seq`);