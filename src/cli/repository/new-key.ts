// The new password or key file of key add and key passwd.
// password.ts asks; repository/keys/ writes the key slot.
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Unlock } from '../../crypto/slot-file.js';
import { systemReason, VarveError } from '../../errors/errors.js';
import type { Context } from '../program/shell.js';
import { askPassword, unlockFrom } from './password.js';

const KEY_FILE_BYTES = 32;

export interface NewKeyFlags {
  readonly newPasswordFile?: string;
  readonly newPasswordCommand?: string;
  readonly newKeyFile?: string;
  readonly newInsecureNoPassword?: boolean;
}

export function addNewKeyOptions(command: Command): void {
  command
    .option('--new-password-file <file>', 'file with the new password')
    .option('--new-password-command <command>', 'command that prints the new password')
    .option(
      '--new-key-file <file>',
      'file with 32 raw bytes, instead of a password; created with random bytes if missing',
    )
    .option('--new-insecure-no-password', 'use an empty password: anyone with access to the repository can read it');
}

/** The new password or key file; asks twice when the options give none. */
export async function newUnlock(context: Context, flags: NewKeyFlags): Promise<Unlock> {
  const { newPasswordFile, newPasswordCommand, newKeyFile, newInsecureNoPassword: none } = flags;
  if (none === true && newKeyFile !== undefined)
    throw new VarveError('usage', '--new-insecure-no-password and --new-key-file exclude each other');
  if (newKeyFile !== undefined && !existsSync(newKeyFile)) makeKeyFile(context, newKeyFile);
  const given = unlockFrom(context, { file: newPasswordFile, command: newPasswordCommand, keyFile: newKeyFile, none });
  return given ?? { password: await askPassword(context, 'new password', true, NO_NEW_PASSWORD) };
}

const NO_NEW_PASSWORD =
  'no new password given and no terminal to ask for one: use --new-password-file FILE, --new-password-command COMMAND, or --new-key-file FILE';

function makeKeyFile(context: Context, path: string): void {
  try {
    writeFileSync(path, randomBytes(KEY_FILE_BYTES), { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    throw new VarveError('usage', `cannot write the key file ${path}: ${systemReason(cause)}`, { cause });
  }
  context.output.message(`made the key file ${path}: keep a copy of it in a safe place`);
}

/** scrypt's cost for a password, calibrated to this machine. */
export async function calibrated(unlock: Unlock): Promise<{ logN?: number }> {
  if ('keyFile' in unlock) return {};
  const [{ calibrateLogN }, { nativeEngine }] = await Promise.all([
    import('../../crypto/slot-file.js'),
    import('../../crypto/native.js'),
  ]);
  return { logN: await calibrateLogN(nativeEngine) };
}
