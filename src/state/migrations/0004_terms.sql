ALTER TABLE `attempts` ADD `timeoutMs` integer;--> statement-breakpoint
ALTER TABLE `attempts` ADD `diskBytes` integer;--> statement-breakpoint
ALTER TABLE `attempts` ADD `stopping` text;