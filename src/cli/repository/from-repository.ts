// Options for a second repository, which copy and init read.
// open.ts opens it like any other.
import type { Command } from 'commander';
import { VarveError } from '../../errors/errors.js';
import type { Repository } from '../../repository/repository.js';
import type { Context } from '../program/shell.js';
import { canPrompt } from '../terminal/prompt.js';
import { openFromOptions } from './open.js';
import { sourceOfUnlock } from './password.js';

/** Options for the other repository and its key. */
export interface FromFlags {
  readonly fromRepo?: string;
  readonly fromRepository?: string;
  readonly fromRepositoryFile?: string;
  readonly fromPasswordFile?: string;
  readonly fromPasswordCommand?: string;
  readonly fromKeyFile?: string;
  readonly fromKeyHint?: string;
  readonly fromInsecureNoPassword?: boolean;
}

export function addFromOptions(command: Command): Command {
  return command
    .option('--from-repo <location>', 'the other repository, which is only read ($VARVE_FROM_REPOSITORY)')
    .option('--from-repository <location>', 'the same as --from-repo')
    .option('--from-repository-file <file>', 'file with its location ($VARVE_FROM_REPOSITORY_FILE)')
    .option('--from-password-file <file>', 'file with its password ($VARVE_FROM_PASSWORD_FILE)')
    .option('--from-password-command <command>', 'command that prints its password ($VARVE_FROM_PASSWORD_COMMAND)')
    .option('--from-key-file <file>', 'key file that opens it ($VARVE_FROM_KEY_FILE)')
    .option('--from-key-hint <id>', 'id of its key to try ($VARVE_FROM_KEY_HINT)')
    .option('--from-insecure-no-password', 'its password is empty');
}

/** Opens the other repository. */
export async function openSource(context: Context, flags: FromFlags): Promise<Repository> {
  const source = sourceContext(context, flags);
  const { globals, environment } = source;
  if (
    [globals.repo, globals.repositoryFile, environment.VARVE_REPOSITORY, environment.VARVE_REPOSITORY_FILE].every(
      (each) => !each,
    )
  )
    throw new VarveError(
      'usage',
      'the other repository is missing: give --from-repo LOCATION, --from-repository-file FILE, or the environment variable VARVE_FROM_REPOSITORY',
    );
  if (sourceOfUnlock(source) === undefined && !canPrompt(source))
    throw new VarveError(
      'usage',
      'no password given for the other repository, and no terminal to ask for one: use --from-password-file FILE, --from-password-command COMMAND, or the environment variable VARVE_FROM_PASSWORD',
    );
  return openFromOptions(source, undefined, 'the other repository');
}

/**
 * A context for the other repository. Its store is reached in the same way as this one, unless the environment has
 * VARVE_FROM_REST_PASSWORD, VARVE_FROM_CACERT, VARVE_FROM_AWS_ACCESS_KEY_ID and so on. Nothing is written there, so nothing is locked.
 */
function sourceContext(context: Context, flags: FromFlags): Context {
  if (flags.fromRepo !== undefined && flags.fromRepository !== undefined)
    throw new VarveError('usage', '--from-repo and --from-repository are the same: give one of them');
  const { objectLock: _, ...inherited } = context.globals;
  const given = {
    repo: flags.fromRepo ?? flags.fromRepository,
    repositoryFile: flags.fromRepositoryFile,
    passwordFile: flags.fromPasswordFile,
    passwordCommand: flags.fromPasswordCommand,
    keyFile: flags.fromKeyFile,
    keyHint: flags.fromKeyHint,
    insecureNoPassword: flags.fromInsecureNoPassword,
  };
  const globals = Object.fromEntries(
    Object.entries({ ...inherited, ...given }).filter(([, each]) => each !== undefined),
  );
  const environment: NodeJS.ProcessEnv = { ...context.environment, VARVE_OBJECT_LOCK: undefined };
  for (const name of NAMES) environment[`VARVE_${name}`] = context.environment[`VARVE_FROM_${name}`];
  for (const [name, value] of Object.entries(context.environment)) {
    const [, own, amazon] = /^VARVE_FROM_(?:(REST_\w+|CACERT|TLS_CLIENT_CERT)|(AWS_\w+))$/.exec(name) ?? [];
    if (own !== undefined) environment[`VARVE_${own}`] = value;
    if (amazon !== undefined) environment[amazon] = value;
  }
  return { ...context, globals, environment };
}

/** A context for the target when another repository is read: options about past versions apply to the other repository only. */
export function targetContext(context: Context): Context {
  const option = context.globals.option?.filter((each) => !each.startsWith('s3.versions-at='));
  return { ...context, globals: { ...context.globals, ...(option && { option }) } };
}

const NAMES = [
  'REPOSITORY',
  'REPOSITORY_FILE',
  'PASSWORD',
  'PASSWORD_FILE',
  'PASSWORD_COMMAND',
  'KEY_FILE',
  'KEY_HINT',
] as const;
