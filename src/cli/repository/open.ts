// Opens the repository that options and environment name.
// password.ts finds the password; repository/opening/ does the work.
import { readFileSync } from 'node:fs';
import type { Unlock } from '../../crypto/slot-file.js';
import { systemReason, VarveError } from '../../errors/errors.js';
import type { OpenOptions } from '../../repository/opening/open.js';
import type { Repository } from '../../repository/repository.js';
import { openStore } from '../../storage/open-store.js';
import type { Store } from '../../storage/store.js';
import type { Context } from '../program/shell.js';
import { hideTyping } from '../terminal/prompt.js';
import { cacheLocation } from './cache-location.js';
import { askPassword, sourceOfUnlock, unlockFromOptions } from './password.js';
import { storeSettings } from './store-settings.js';
import { requireWorkingDirectory } from './working-directory.js';

/** Attempts to enter a password. */
const ATTEMPTS = 3;
/** Milliseconds until the key derivation has started. */
const PRELOAD_AFTER = 8;

/** The repository's location, from the options or the environment. */
export function repositoryLocation(context: Context): string {
  const { globals, environment } = context;
  if (globals.repo !== undefined && globals.repositoryFile !== undefined) {
    throw new VarveError('usage', '--repo and --repository-file exclude each other');
  }
  const location =
    globals.repo ?? (globals.repositoryFile === undefined ? environment.VARVE_REPOSITORY || undefined : undefined);
  if (location !== undefined) return location;
  const file = globals.repositoryFile ?? environment.VARVE_REPOSITORY_FILE;
  if (file) return readLocation(file);
  const restic = environment.RESTIC_REPOSITORY ? ' (varve does not read RESTIC_REPOSITORY)' : '';
  throw new VarveError(
    'usage',
    `the repository is missing: give -r LOCATION, --repository-file FILE, or the environment variable VARVE_REPOSITORY${restic}`,
  );
}

function readLocation(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new VarveError('usage', `cannot read the repository file ${file}: ${systemReason(cause)}`, { cause });
  }
}

/** Undefined for `--no-cache`. */
export function cacheDirectory(context: Context): string | undefined {
  const { globals, environment } = context;
  if (globals.cache === false) return undefined;
  return globals.cacheDir ?? cacheLocation(environment);
}

/** Closes the store when the command ends: open connections and programs would keep the process alive. */
export async function storeOfRepository(context: Context, settings = storeSettings(context)): Promise<Store> {
  const location = repositoryLocation(context);
  if (!location.includes(':')) requireWorkingDirectory(location);
  const store = await openStore(location, settings);
  context.atEnd(() => store.close());
  return store;
}

/**
 * Opens the repository that the options name, and asks for the password when there is no other source.
 *
 * @param preload loads modules that the command needs next, while another thread derives the key, which takes a quarter of a second
 * @param called the name of the repository in the question for a password
 */
export async function openFromOptions(
  context: Context,
  preload?: () => Promise<unknown>,
  called = 'the repository',
): Promise<Repository> {
  const settings = storeSettings(context);
  const store = await storeOfRepository(context, settings);
  const { openRepository } = await import('../../repository/opening/open.js');
  const { globals, environment } = context;
  const options = {
    cacheDirectory: cacheDirectory(context),
    onWarning: onlyOnce(settings.onWarning),
    onNotice: settings.onNotice,
    keyHint: globals.keyHint ?? (environment.VARVE_KEY_HINT || undefined),
  };
  const unlock = unlockFromOptions(context);
  if (unlock !== undefined) {
    const timer = preload && setTimeout(() => void preload().catch(() => undefined), PRELOAD_AFTER);
    try {
      return await openRepository(store, { ...options, unlock });
    } catch (cause) {
      throw withSource(context, cause);
    } finally {
      clearTimeout(timer);
    }
  }
  const showTyping = hideTyping(context);
  try {
    await refuseMissing(store, options);
    return await askAndOpen(context, called, (password) => openRepository(store, { ...options, unlock: password }));
  } finally {
    showTyping();
  }
}

/** Adds the source of a wrong password to the error: a mail from cron has nothing else to go by. */
function withSource(context: Context, cause: unknown): unknown {
  if (!(cause instanceof VarveError) || cause.code !== 'wrong-password') return cause;
  return new VarveError(cause.code, `${cause.message}; it came from ${sourceOfUnlock(context)}`, { cause });
}

async function askAndOpen(
  context: Context,
  called: string,
  open: (unlock: Unlock) => Promise<Repository>,
): Promise<Repository> {
  for (let attempt = 1; ; attempt++) {
    const password = await askPassword(context, `password for ${called}`, false);
    try {
      return await open({ password });
    } catch (cause) {
      if (!(cause instanceof VarveError) || cause.code !== 'wrong-password' || attempt === ATTEMPTS) throw cause;
      context.output.error('wrong password, try again');
    }
  }
}

/** Fails before the question for a password when there is no repository. */
async function refuseMissing(store: Store, options: Pick<OpenOptions, 'cacheDirectory'>): Promise<void> {
  const { requireRepository } = await import('../../repository/opening/open.js');
  await requireRepository(store, options);
}

/** Avoids repeating a warning at each attempt to enter a password. */
function onlyOnce(warn: ((text: string) => void) | undefined): (text: string) => void {
  const said = new Set<string>();
  return (text) => {
    if (!said.has(text)) warn?.(text);
    said.add(text);
  };
}
