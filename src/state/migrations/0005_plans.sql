CREATE TABLE `plan_messages` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`plan` text NOT NULL,
	`from` text NOT NULL,
	`text` text NOT NULL,
	`createdAt` text NOT NULL,
	FOREIGN KEY (`plan`) REFERENCES `plans`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `plan_messages_of_plan` ON `plan_messages` (`plan`,`seq`);--> statement-breakpoint
CREATE TABLE `plan_revisions` (
	`plan` text NOT NULL,
	`revision` integer NOT NULL,
	`change` text NOT NULL,
	`document` text NOT NULL,
	PRIMARY KEY(`plan`, `revision`),
	FOREIGN KEY (`plan`) REFERENCES `plans`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
ALTER TABLE `notes` ADD `kind` text DEFAULT 'note' NOT NULL;--> statement-breakpoint
ALTER TABLE `notes` ADD `source` text;--> statement-breakpoint
CREATE UNIQUE INDEX `notes_source_unique` ON `notes` (`source`);--> statement-breakpoint
ALTER TABLE `plans` ADD `updatedAt` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `plans` ADD `revision` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE `plans` ADD `view` text;--> statement-breakpoint
ALTER TABLE `tasks` ADD `routing` text;--> statement-breakpoint
ALTER TABLE `tasks` ADD `files` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `tasks` ADD `size` text DEFAULT 'medium' NOT NULL;--> statement-breakpoint
ALTER TABLE `tasks` ADD `chain` integer DEFAULT 1 NOT NULL;