/** What the parser of the arguments refuses, as an error of ours. */

import type { CommanderError } from 'commander';
import { usageError } from '../src/errors.ts';

/** Commander's words in our form: the sentence, and the rest (a suggestion) as the hint. */
export function asUsageError(error: CommanderError): Error {
  const [sentence = '', ...rest] = error.message
    .replace(/^error: /, '')
    .trim()
    .split('\n');
  const meant = /\((Did you mean .+)\)/.exec(rest.join(' '))?.[1];
  const code = error.code === 'commander.unknownCommand' ? 'UNKNOWN_COMMAND' : 'BAD_USAGE';
  if (error.code === 'commander.help') return usageError('BAD_USAGE', 'a sub-command is missing', { hint: HELP_HINT });
  if (error.code === 'commander.unknownOption' && /\s/.test(sentence.replace('unknown option ', ''))) {
    return usageError(code, 'text that begins with - is taken for an option', {
      hint: 'put -- in front of it, behind all options, or read it from a --file',
    });
  }
  return usageError(code, sentence.replace(/\.$/, ''), {
    hint: meant === undefined ? HELP_HINT : meant.replace(/^D/, 'd'),
  });
}

const HELP_HINT = 'orchestrate --help, or --help after a command';
