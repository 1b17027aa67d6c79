CREATE TABLE `attempts` (
	`id` text PRIMARY KEY NOT NULL,
	`task` text NOT NULL,
	`n` integer NOT NULL,
	`run` text NOT NULL,
	`state` text NOT NULL,
	`outcome` text,
	`host` text NOT NULL,
	`container` text NOT NULL,
	`engine` text NOT NULL,
	`baseTree` text,
	`baseCommit` text,
	`startedAt` text,
	`endedAt` text,
	`exitCode` integer,
	`reason` text,
	`inputTokens` integer DEFAULT 0 NOT NULL,
	`outputTokens` integer DEFAULT 0 NOT NULL,
	`cacheReadTokens` integer DEFAULT 0 NOT NULL,
	`cacheWriteTokens` integer DEFAULT 0 NOT NULL,
	`usd` real,
	`egressDenied` text DEFAULT '[]' NOT NULL,
	`summary` text,
	FOREIGN KEY (`task`) REFERENCES `tasks`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`run`) REFERENCES `runs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `attempts_of_task` ON `attempts` (`task`,`n`);--> statement-breakpoint
CREATE UNIQUE INDEX `attempts_unended` ON `attempts` (`task`) WHERE state <> 'ended';--> statement-breakpoint
CREATE INDEX `attempts_of_run` ON `attempts` (`run`);--> statement-breakpoint
CREATE TABLE `checks` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`patch` text NOT NULL,
	`command` text NOT NULL,
	`exitCode` integer NOT NULL,
	`durationMs` integer NOT NULL,
	`endedAt` text NOT NULL,
	FOREIGN KEY (`patch`) REFERENCES `patches`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `checks_of_patch` ON `checks` (`patch`);--> statement-breakpoint
CREATE TABLE `dependencies` (
	`task` text NOT NULL,
	`dependsOn` text NOT NULL,
	PRIMARY KEY(`task`, `dependsOn`),
	FOREIGN KEY (`task`) REFERENCES `tasks`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`dependsOn`) REFERENCES `tasks`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `dependencies_dependants` ON `dependencies` (`dependsOn`);--> statement-breakpoint
CREATE TABLE `events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`run` text NOT NULL,
	`task` text,
	`body` text NOT NULL,
	FOREIGN KEY (`run`) REFERENCES `runs`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`task`) REFERENCES `tasks`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `events_of_task` ON `events` (`task`,`seq`);--> statement-breakpoint
CREATE TABLE `meta` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `notes` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`attempt` text,
	`text` text NOT NULL,
	`createdAt` text NOT NULL,
	FOREIGN KEY (`attempt`) REFERENCES `attempts`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `patches` (
	`id` text PRIMARY KEY NOT NULL,
	`task` text NOT NULL,
	`state` text NOT NULL,
	`baseTree` text NOT NULL,
	`baseCommit` text NOT NULL,
	`tree` text NOT NULL,
	`commit` text NOT NULL,
	`files` integer NOT NULL,
	`insertions` integer NOT NULL,
	`deletions` integer NOT NULL,
	`flags` text DEFAULT '[]' NOT NULL,
	`reason` text,
	`createdAt` text NOT NULL,
	`mergedAs` text,
	`mergedInto` text,
	FOREIGN KEY (`id`) REFERENCES `attempts`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`task`) REFERENCES `tasks`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `patches_of_task` ON `patches` (`task`);--> statement-breakpoint
CREATE TABLE `plans` (
	`id` text PRIMARY KEY NOT NULL,
	`goal` text NOT NULL,
	`document` text NOT NULL,
	`createdAt` text NOT NULL,
	`approvedAt` text
);
--> statement-breakpoint
CREATE TABLE `runs` (
	`id` text PRIMARY KEY NOT NULL,
	`fence` integer NOT NULL,
	`pid` integer NOT NULL,
	`startedAt` text NOT NULL,
	`endedAt` text,
	`deadline` text,
	`budgetUsd` real,
	`budgetTokens` integer,
	`base` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `runs_fence_unique` ON `runs` (`fence`);--> statement-breakpoint
CREATE TABLE `tasks` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`title` text NOT NULL,
	`description` text NOT NULL,
	`agent` text NOT NULL,
	`priority` integer NOT NULL,
	`state` text NOT NULL,
	`reason` text,
	`phase` integer NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`plan` text,
	`createdAt` text NOT NULL,
	`startedAt` text,
	`endedAt` text,
	FOREIGN KEY (`plan`) REFERENCES `plans`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `tasks_id_unique` ON `tasks` (`id`);--> statement-breakpoint
CREATE INDEX `tasks_queue` ON `tasks` (`state`,`priority`,`seq`);