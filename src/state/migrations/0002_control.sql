CREATE TABLE `foundations` (
	`attempt` text NOT NULL,
	`patch` text NOT NULL,
	PRIMARY KEY(`attempt`, `patch`),
	FOREIGN KEY (`attempt`) REFERENCES `attempts`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`patch`) REFERENCES `patches`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `foundations_above` ON `foundations` (`patch`);--> statement-breakpoint
CREATE TABLE `requests` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`kind` text NOT NULL,
	`task` text,
	`at` text NOT NULL,
	`handledAt` text,
	FOREIGN KEY (`task`) REFERENCES `tasks`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `requests_open` ON `requests` (`seq`) WHERE "handledAt" IS NULL;--> statement-breakpoint
ALTER TABLE `tasks` ADD `startFrom` text REFERENCES patches(id);