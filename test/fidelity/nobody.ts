import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

const NOBODY = 65_534;

/**
 * Runs a module of this directory with the ids of a normal user, in a directory of its own, which is its temporary one too; it has to end with 0.
 *
 * @param args `DIRECTORY` stands for the directory
 * @returns what it prints; undefined when the test is skipped
 */
export function runAsNobody(t: TestContext, scratch: string, args: readonly string[]): string | undefined {
  const directory = join(scratch, 'of-nobody');
  mkdirSync(directory);
  chmodSync(scratch, 0o755);
  chownSync(directory, NOBODY, NOBODY);
  const words = args.map((word) => (word === 'FOLDER' ? directory : word));
  const { status, stdout, stderr, error } = spawnSync(process.execPath, words, {
    uid: NOBODY,
    gid: NOBODY,
    cwd: '/',
    env: { PATH: process.env['PATH'], HOME: directory, TMPDIR: directory },
    encoding: 'utf8',
  });
  if (error !== undefined || /EACCES.*(node_modules|build)|Cannot find module/.test(stderr))
    return t.skip('this checkout, or this Node, is not readable for others') as undefined;
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

/** The path of a module beside this one. */
export const beside = (name: string): string => new URL(`./${name}`, import.meta.url).pathname;
