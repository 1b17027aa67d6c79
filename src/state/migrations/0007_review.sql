CREATE TABLE `forecasts` (
	`left` text NOT NULL,
	`right` text NOT NULL,
	`leftTrees` text NOT NULL,
	`rightTrees` text NOT NULL,
	`paths` text NOT NULL,
	PRIMARY KEY(`left`, `right`),
	FOREIGN KEY (`left`) REFERENCES `attempts`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`right`) REFERENCES `attempts`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `forecasts_of_right` ON `forecasts` (`right`);--> statement-breakpoint
CREATE TABLE `merges` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`target` text NOT NULL,
	`from` text NOT NULL,
	`to` text NOT NULL,
	`commits` text NOT NULL,
	`workTree` text,
	`startedAt` text NOT NULL,
	`endedAt` text,
	`landed` integer
);
--> statement-breakpoint
ALTER TABLE `checks` ADD `tree` text;--> statement-breakpoint
ALTER TABLE `checks` ADD `isFlaky` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `checks` ADD `log` text;--> statement-breakpoint
ALTER TABLE `patches` ADD `originalTree` text;--> statement-breakpoint
ALTER TABLE `patches` ADD `originalCommit` text;--> statement-breakpoint
ALTER TABLE `patches` ADD `decidedBy` text;