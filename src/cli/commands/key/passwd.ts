import type { Command } from 'commander';
import { changePassword } from '../../../repository/keys/key-slots.js';
import { type Run, run, type Session } from '../../program/shell.js';
import { addNewKeyOptions, calibrated, type NewKeyFlags, newUnlock } from '../../repository/new-key.js';
import { openFromOptions } from '../../repository/open.js';
import { keyJson } from './list.js';

const DESCRIPTION = `Give the key in use another password or key file. The old one no longer opens the repository. But an attacker with a copy of the old key object
and the old password can still open that copy.`;

export function definePasswd(command: Command, session: Session): void {
  command.description(DESCRIPTION);
  addNewKeyOptions(command);
  command.option('--user <user>', 'the user that the key is for from now on (default: unchanged)');
  command.option(
    '--host <host>',
    'the machine that the key is for from now on (default: unchanged); an append key backs up the same hosts as before',
  );
  command.addHelpText('after', '\nExit codes: 0 changed; 1 failed; 10 no repository; 12 wrong password.');
  run(command, session, passwd);
}

interface Options extends NewKeyFlags {
  readonly user?: string;
  readonly host?: string;
}

const passwd: Run<Options> = async (context, _, options) => {
  const repository = await openFromOptions(context);
  const unlock = await newUnlock(context, options);
  const { user, host } = options;
  const owner = { ...(user !== undefined && { user }), ...(host !== undefined && { host }) };
  const { logN } = await calibrated(unlock);
  const slot = await changePassword(repository, unlock, { ...owner, ...(logN !== undefined && { logN }) });
  if (context.output.json) context.output.object({ message_type: 'key_changed', ...keyJson(slot) });
  else context.output.prose(`key ${slot.name} has a new ${slot.opensWith}`);
  return 0;
};
