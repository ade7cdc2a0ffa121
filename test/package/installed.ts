// The package as a user gets it: packed, and unpacked far from the clone with copies of what it depends on.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

export const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
/** Removed after the tests. */
export const directory = mkdtempSync(join(tmpdir(), 'varve-package-'));
after(() => rmSync(directory, { recursive: true, force: true }));

let packed: string | undefined;

/** The package's file. */
export function pack(): string {
  packed ??= packNow();
  return packed;
}

function packNow(): string {
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', directory], { cwd: PROJECT });
  return join(directory, readdirSync(directory).find((name) => name.endsWith('.tgz')) as string);
}

/** Puts the package where `npm install --global --prefix` puts it, with copies of what it depends on. */
export function install(archive: string, prefix: string): void {
  const modules = join(prefix, 'lib/node_modules');
  const home = join(modules, 'varve');
  mkdirSync(home, { recursive: true });
  execFileSync('tar', ['-xzf', archive, '-C', home, '--strip-components=1']);
  const listed = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: PROJECT, encoding: 'utf8' });
  for (const path of listed.split('\n').slice(1)) {
    if (path !== '') cpSync(path, join(home, relative(PROJECT, path)), { recursive: true });
  }
  const { bin } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { bin: { varve: string } };
  mkdirSync(join(prefix, 'bin'));
  symlinkSync(relative(join(prefix, 'bin'), join(home, bin.varve)), join(prefix, 'bin/varve'));
}
