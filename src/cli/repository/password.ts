// Finds the password or key file: options, environment, or a question on the terminal.
// It opens nothing; open.ts does.
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import type { Unlock } from '../../crypto/slot-file.js';
import { systemReason, VarveError } from '../../errors/errors.js';
import { childEnvironment } from '../../storage/transport/child-environment.js';
import { splitWords } from '../../storage/transport/words.js';
import type { Context } from '../program/shell.js';
import { canPrompt, promptPassword } from '../terminal/prompt.js';

const KEY_FILE_BYTES = 32;
const OTHERS_CAN_READ = 0o044;

const NO_PASSWORD =
  'no password given and no terminal to ask for one: use --password-file FILE, --password-command COMMAND, or the environment variable VARVE_PASSWORD';

/** Sources of a password or key file. */
export interface PasswordSources {
  readonly keyFile?: string | undefined;
  readonly file?: string | undefined;
  readonly command?: string | undefined;
  readonly password?: string | undefined;
  /** Whether the password is empty. */
  readonly none?: boolean | undefined;
}

/** The password or key file from the options, or else the environment; undefined when neither has one. */
export function unlockFromOptions(context: Context): Unlock | undefined {
  const { globals, environment } = context;
  const given: PasswordSources = {
    keyFile: globals.keyFile,
    file: globals.passwordFile,
    command: globals.passwordCommand,
  };
  const surrounding: PasswordSources = {
    keyFile: environment.VARVE_KEY_FILE || undefined,
    file: environment.VARVE_PASSWORD_FILE || undefined,
    command: environment.VARVE_PASSWORD_COMMAND || undefined,
    password: environment.VARVE_PASSWORD,
  };
  if (globals.insecureNoPassword !== true) return unlockFrom(context, given) ?? unlockFrom(context, surrounding);
  const password = surrounding.password || undefined;
  return unlockFrom(context, {
    ...withoutUndefined({ ...surrounding, password }),
    ...withoutUndefined(given),
    none: true,
  });
}

/** The source of the password or key file, for error messages; undefined when the user typed it. */
export function sourceOfUnlock({ globals, environment }: Context): string | undefined {
  const { VARVE_KEY_FILE, VARVE_PASSWORD_FILE, VARVE_PASSWORD_COMMAND, VARVE_PASSWORD } = environment;
  const none = globals.insecureNoPassword === true ? '--insecure-no-password' : undefined;
  const given = globals.keyFile ?? globals.passwordFile ?? globals.passwordCommand ?? none;
  if (given !== undefined) return given;
  return VARVE_KEY_FILE || VARVE_PASSWORD_FILE || VARVE_PASSWORD_COMMAND || (VARVE_PASSWORD && '$VARVE_PASSWORD');
}

/** Undefined when no source is given. */
export function unlockFrom(context: Context, sources: PasswordSources): Unlock | undefined {
  const { keyFile, file, command, password, none } = sources;
  const given = [keyFile, file, command].filter((source) => source !== undefined);
  if (none === true) {
    if (given.length === 0 && password === undefined) return { password: '' };
    throw new VarveError('usage', '--insecure-no-password means an empty password, but another password is given');
  }
  if (given.length > 1)
    throw new VarveError('usage', 'a password file, a password command and a key file exclude each other');
  if (keyFile !== undefined) return { keyFile: readKeyFile(context, keyFile) };
  if (file !== undefined) return { password: notEmpty(readPasswordFile(context, file), `the password file ${file}`) };
  if (command !== undefined)
    return { password: notEmpty(runPasswordCommand(context, command), 'the output of the password command') };
  return password === undefined ? undefined : { password: notEmpty(password, 'VARVE_PASSWORD') };
}

/**
 * Asks on the terminal.
 *
 * @param twice for a new password
 * @param refusal the error when there is no terminal
 */
export async function askPassword(
  context: Context,
  question: string,
  twice: boolean,
  refusal = NO_PASSWORD,
): Promise<string> {
  if (!canPrompt(context)) throw new VarveError('usage', refusal);
  const password = notEmpty(await promptPassword(context, `${question}: `), 'the password');
  if (twice && (await promptPassword(context, `${question} again: `)) !== password) {
    throw new VarveError('usage', 'the two passwords differ; nothing was changed');
  }
  return password;
}

function notEmpty(password: string, what: string): string {
  if (password === '')
    throw new VarveError(
      'usage',
      `${what} is empty: an empty password protects nothing; if you want it, use --insecure-no-password`,
    );
  return password;
}

const withoutUndefined = (sources: PasswordSources): PasswordSources =>
  Object.fromEntries(Object.entries(sources).filter(([, value]) => value !== undefined));

function readPasswordFile(context: Context, path: string): string {
  warnIfOthersCanRead(context, path);
  return withoutNewline(read(path, 'password file').toString('utf8'));
}

function readKeyFile(context: Context, path: string): Uint8Array {
  warnIfOthersCanRead(context, path);
  const bytes = read(path, 'key file');
  if (bytes.length !== KEY_FILE_BYTES) {
    throw new VarveError(
      'usage',
      `key file ${path}: has ${bytes.length} bytes; a key file has exactly ${KEY_FILE_BYTES}`,
    );
  }
  return new Uint8Array(bytes);
}

function read(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new VarveError('usage', `cannot read the ${what} ${path}: ${systemReason(cause)}`, { cause });
  }
}

function warnIfOthersCanRead(context: Context, path: string): void {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info === undefined || !info.isFile() || (info.mode & OTHERS_CAN_READ) === 0) return;
  const mode = (info.mode & 0o777).toString(8).padStart(4, '0');
  context.output.warn(`${path} can be read by other users (mode ${mode}): chmod 600 ${path}`);
}

function runPasswordCommand({ environment }: Context, command: string): string {
  const [program, ...args] = splitWords(command, '--password-command');
  if (program === undefined) throw new VarveError('usage', '--password-command: the command is empty');
  const { error, status, signal, stdout } = spawnSync(program, args, {
    stdio: ['inherit', 'pipe', 'inherit'],
    env: childEnvironment('password-command', environment),
  });
  if (error !== undefined) throw new VarveError('usage', `password command ${program}: ${systemReason(error)}`);
  if (status !== 0)
    throw new VarveError('usage', `password command ${program}: failed with ${signal ?? `exit code ${status}`}`);
  return withoutNewline(stdout.toString('utf8'));
}

const withoutNewline = (text: string): string => text.replace(/\r?\n$/, '');
