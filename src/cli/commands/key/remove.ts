import type { Command } from 'commander';
import { VarveError } from '../../../errors/errors.js';
import { removeKeySlot } from '../../../repository/keys/key-slots.js';
import { type Run, run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { parseTimeOption } from '../../text/time.js';
import { keyJson } from './list.js';

interface Options {
  readonly ignoreSince?: string;
  readonly force?: boolean;
}

const DESCRIPTION = `Remove a key: its password no longer opens the repository, and varve ignores what the key signs from now on. A thief who copied the key still has
today's secrets: \`varve key rotate\` makes new ones for data stored from then on. Needs a full key.`;

export function defineRemove(command: Command, session: Session): void {
  command.description(DESCRIPTION).argument('[id]', "the key's id, or a prefix of it");
  command.option(
    '--ignore-since <time>',
    'also ignore what this key signed since this time, for example after a theft',
  );
  command.option('--force', 'remove even the key in use');
  command.addHelpText('after', '\nExit codes: 0 removed; 1 failed; 10 no repository; 12 wrong password.');
  run(command, session, remove);
}

const remove: Run<Options> = async (context, [id], { ignoreSince, force }) => {
  if (id === undefined) throw new VarveError('usage', 'the id of a key is missing: `varve key list` lists them');
  const since = ignoreSince === undefined ? undefined : parseTimeOption(ignoreSince, '--ignore-since').seconds;
  const repository = await openFromOptions(context);
  const options = { ...(since !== undefined && { ignoreSince: since }), force: force ?? false };
  const slot = await removeKeySlot(repository, id, options);
  const { output } = context;
  if (output.json) output.object({ message_type: 'key_removed', ...keyJson(slot) });
  else output.prose(`removed key ${slot.name} (${slot.role}, of ${slot.user}@${slot.host})`);
  output.message(
    'If the key may have been copied, run `varve key rotate`: it makes secrets that the key does not know.',
  );
  return 0;
};
