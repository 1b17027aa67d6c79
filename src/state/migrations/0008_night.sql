ALTER TABLE `attempts` ADD `fault` text;--> statement-breakpoint
ALTER TABLE `attempts` ADD `unsettledUsd` real DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `attempts` ADD `unsettledTokens` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `runs` ADD `isolation` text;--> statement-breakpoint
ALTER TABLE `runs` ADD `continues` text REFERENCES runs(id);--> statement-breakpoint
ALTER TABLE `tasks` ADD `notBefore` text;--> statement-breakpoint
CREATE INDEX `tasks_held_back` ON `tasks` (`seq`) WHERE reason GLOB 'held: *';