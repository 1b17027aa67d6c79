/** `note` and its sub-commands: flags and examples; the actions are loaded when they run. */

import type { Command } from 'commander';
import { type Act, examples } from './command-parts.ts';

export function defineNoteCommands(program: Command, act: Act): void {
  const note = program
    .command('note')
    .alias('context')
    .summary('what agents tell each other')
    .description('List, show and add the notes that agents get with their tasks and while they work.')
    .addHelpText(
      'after',
      examples(['note list', 'note show 12', 'note add "The staging database is read-only this week."']),
    );
  note
    .command('list')
    .description('The notes that were left so far, oldest first.')
    .option('--task <task>', 'only those of this task')
    .addHelpText('after', examples(['note list', 'note list --task add-login', 'note list --json']))
    .action(async (flags: { readonly task?: string }) => {
      const { listNotes } = await import('./commands/note.ts');
      await act((context) => listNotes(context, { task: flags.task ?? null }));
    });
  note
    .command('show')
    .description('One note in full.')
    .argument('<id>', 'its number')
    .addHelpText('after', examples(['note show 12']))
    .action(async (id: string) => {
      const { showNote } = await import('./commands/note.ts');
      await act((context) => showNote(context, id));
    });
  note
    .command('add')
    .description('Tell all agents something: those at work within seconds, those that start later with their task.')
    .argument('[text]', 'what they should know')
    .option('--file <file>', 'read it from a file, - for stdin')
    .addHelpText('after', examples(['note add "Use pnpm, not npm."', 'note add --file decisions.md']))
    .action(async (text: string | undefined, flags: { readonly file?: string }) => {
      const { addNote } = await import('./commands/note.ts');
      await act((context) => addNote(context, { text: text ?? null, file: flags.file ?? null }));
    });
}
