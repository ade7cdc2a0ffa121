import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Workload } from './workload.js';

const PACKAGE = 'typescript';
const VERSIONS = ['5.6.2', '5.6.3', '5.7.2', '5.7.3', '5.8.2', '5.8.3', '5.9.2', '5.9.3'];

/** Successive releases of one program, as a tree of files and as uncompressed tar archives. */
export function releases(directory: string): Workload[] {
  const files: string[] = [];
  const archives: string[] = [];
  for (const version of VERSIONS) {
    const tree = join(directory, version);
    mkdirSync(tree, { recursive: true });
    execFileSync('npm', ['pack', '--silent', `${PACKAGE}@${version}`], {
      cwd: directory,
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    const tarball = join(directory, `${PACKAGE}-${version}.tgz`);
    execFileSync('tar', ['-xzf', tarball, '-C', tree]);
    rmSync(tarball);
    const archive = join(directory, `${version}.tar`);
    execFileSync('tar', ['--sort=name', '-cf', archive, '-C', tree, '.']);
    archives.push(archive);
    for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) files.push(join(entry.parentPath, entry.name));
  }
  const what = `${VERSIONS.length} releases of the npm package ${PACKAGE} (${VERSIONS[0]} to ${VERSIONS.at(-1)})`;
  return [
    { name: 'releases', about: `${what}, files as they are`, files },
    { name: 'release tars', about: `${what}, each as one tar archive`, files: archives },
  ];
}
