// Puts a new build in the place of the old one: at once, and with the programs that may still run.
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Earlier programs that are kept. */
const KEPT = 10;
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/**
 * Copies the newest programs of the old build into the new one. Their names sort by age.
 *
 * @returns their names
 */
export function keepEarlier(old, fresh) {
  if (!existsSync(old)) return [];
  const names = readdirSync(old).filter((name) => !name.startsWith('.'));
  const kept = names.sort().slice(-KEPT);
  for (const name of kept) cpSync(join(old, name), join(fresh, name), { recursive: true });
  return kept;
}

/** Moves a directory to where another one may be, and removes that one. */
export function putInPlace(fresh, target) {
  if (!existsSync(target)) return renameSync(fresh, target);
  if (exchange(fresh, target)) return rmSync(fresh, { recursive: true });
  const old = `${fresh}.old`;
  mkdirSync(old);
  renameSync(target, join(old, 'build'));
  renameSync(fresh, target);
  rmSync(old, { recursive: true });
}

/** Exchanges two directories at once. @returns false where the system cannot do that */
function exchange(one, other) {
  try {
    const libc = createRequire(import.meta.url)('koffi').load(null);
    const renameat2 = libc.func('int renameat2(int, str, int, str, unsigned int)');
    return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) === 0;
  } catch {
    return false;
  }
}
