import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { MAIN as VARVE } from '../cli/main-program.js';

/**
 * Shows a whole round with a directory of one's own: init, two backups, snapshots, restore, and a comparison of what was restored with the source.
 * Everything it writes is in a temporary directory, which it removes.
 */

function main(): number {
  const source = resolve(process.argv[2] ?? '.');
  if (statSync(source, { throwIfNoEntry: false }) === undefined) {
    console.error(`${source}: no such file or directory. Give a folder of yours: npm run demo -- ~/Documents`);
    return 3;
  }
  const directory = mkdtempSync(join(tmpdir(), 'varve-demo-'));
  try {
    return demonstrate(source, directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function demonstrate(source: string, directory: string): number {
  const password = join(directory, 'password');
  writeFileSync(password, 'only for this demonstration\n', { mode: 0o600 });
  const repository = join(directory, 'repository');
  const target = join(directory, 'restored');
  const environment = {
    ...process.env,
    VARVE_REPOSITORY: repository,
    VARVE_PASSWORD_FILE: password,
    VARVE_CACHE_DIR: join(directory, 'cache'),
  };
  const steps = [
    ['init'],
    ['backup', source],
    ['backup', source],
    ['snapshots'],
    ['restore', `latest:${source}`, '--target', target],
  ];
  for (const step of steps) {
    console.log(`\n$ varve ${step.join(' ')}`);
    const { status } = spawnSync(process.execPath, [VARVE, ...step], { env: environment, stdio: 'inherit' });
    if (status !== 0) return status ?? 1;
  }
  return compare(source, target);
}

function compare(source: string, target: string): number {
  console.log(`\n$ diff -r --no-dereference ${source} ${target}`);
  chmodSync(target, 0o700);
  const { status } = spawnSync('diff', ['-r', '--no-dereference', source, target], { stdio: 'inherit' });
  console.log(
    status === 0 ? 'The restored files are the same as yours.' : 'They differ (did something change meanwhile?).',
  );
  return status ?? 1;
}

process.exitCode = main();
