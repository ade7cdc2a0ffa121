import type { Command } from 'commander';
import type { Role } from '../../../crypto/hierarchy.js';
import { VarveError } from '../../../errors/errors.js';
import { addKeySlot } from '../../../repository/keys/key-slots.js';
import { type Run, run, type Session } from '../../program/shell.js';
import { thisHost, thisUser } from '../../repository/machine.js';
import { addNewKeyOptions, calibrated, type NewKeyFlags, newUnlock } from '../../repository/new-key.js';
import { openFromOptions } from '../../repository/open.js';
import { collect } from '../../snapshots/snapshot-selection.js';
import { keyJson } from './list.js';

interface Options extends NewKeyFlags {
  readonly role: string;
  readonly user?: string;
  readonly host?: readonly string[];
  readonly anyHost?: boolean;
}

const ROLES: readonly Role[] = ['append', 'manage', 'full'];

export function defineAdd(command: Command, session: Session): void {
  command.description(
    'Add a key: another password or key file that opens the repository, with a role. Needs a full key.',
  );
  command.option('--role <role>', 'append, manage or full', 'full');
  command.option('--user <user>', 'the user that the key is for (default: the current user)');
  command.option(
    '--host <host>',
    "the machine that the key is for (default: this machine's name). An append key backs up no other host (repeatable)",
    collect,
  );
  command.option('--any-host', 'let an append key back up any host');
  addNewKeyOptions(command);
  command.addHelpText('after', '\nExit codes: 0 added; 1 failed; 10 no repository; 12 wrong password.');
  run(command, session, add);
}

const add: Run<Options> = async (context, _, options) => {
  const role = ROLES.find((each) => each === options.role);
  if (role === undefined) throw new VarveError('usage', `--role: "${options.role}" is not one of ${ROLES.join(', ')}`);
  const repository = await openFromOptions(context);
  repository.keys.requireRole('full', 'add keys');
  const unlock = await newUnlock(context, options);
  const { host: named = [], anyHost = false, user = thisUser() } = options;
  const [host = thisHost()] = named;
  const hosts = role !== 'append' || anyHost ? 'any' : named.length > 0 ? named : [host];
  const slot = await addKeySlot(repository, { role, unlock, user, host, hosts, ...(await calibrated(unlock)) });
  if (context.output.json) context.output.object({ message_type: 'key_added', ...keyJson(slot) });
  else context.output.prose(`saved new key as ${slot.name} (${role}, for ${slot.user}@${slot.host})`);
  return 0;
};
