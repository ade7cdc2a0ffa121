// The work of `serve password`: sets the password of a user.
// serve/ reads and writes the file of passwords.
import { setPassword } from '../../../serve/password-file.js';
import type { Context } from '../../program/shell.js';
import { askPassword, unlockFrom } from '../../repository/password.js';
import { passwordFileOf, type ServeFlags } from './options.js';

export interface PasswordFlags {
  readonly newPasswordFile?: string;
  readonly newPasswordCommand?: string;
}

const NO_PASSWORD =
  'no new password given and no terminal to ask for one: use --new-password-file FILE or --new-password-command COMMAND';

/** Gives a user a password. */
export async function passwordCommand(
  context: Context,
  user: string,
  flags: ServeFlags & PasswordFlags,
): Promise<number> {
  const file = passwordFileOf(flags);
  await setPassword(file, user, await newPassword(context, flags));
  if (context.output.json) context.output.object({ message_type: 'password_set', user, file });
  else context.output.prose(`${user} has a new password in ${file}`);
  return 0;
}

async function newPassword(context: Context, flags: PasswordFlags): Promise<string> {
  const given = unlockFrom(context, { file: flags.newPasswordFile, command: flags.newPasswordCommand });
  if (given !== undefined && 'password' in given) return given.password;
  return askPassword(context, 'new password', true, NO_PASSWORD);
}
