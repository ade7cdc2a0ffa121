import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const COPIED = ['/etc', '/usr/bin', '/usr/sbin', '/usr/share/doc', '/var'];
const UNPACKED = 150;

/** Makes the root of a Linux distribution as well as this machine can, and says how. */
export function makeDistribution(root: string, scratch: string): string {
  const made = debootstrap(root) ?? unpack(root, join(scratch, 'packages')) ?? copy(root);
  addWhatPackagesLack(root);
  return made;
}

const run = (program: string, ...args: readonly string[]): void => {
  execFileSync(program, args, {
    env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: 'ignore',
  });
};

function release(): string | undefined {
  if (!existsSync('/etc/os-release')) return undefined;
  return /^VERSION_CODENAME=(\S+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
}

function debootstrap(root: string): string | undefined {
  const name = release();
  if (name === undefined) return undefined;
  try {
    run('debootstrap', '--variant=minbase', name, root);
    return `debootstrap of ${name}`;
  } catch {
    rmSync(root, { recursive: true, force: true });
    return undefined;
  }
}

/** The packages that this machine has, unpacked side by side. */
function unpack(root: string, scratch: string): string | undefined {
  const { stdout, status } = spawnSync('dpkg-query', ['-W', '-f', '$'.concat('{Priority} $', '{Package}\\n')], {
    encoding: 'utf8',
  });
  if (status !== 0) return undefined;
  const lines = stdout.trim().split('\n');
  const byNeed = ['required', 'important', 'standard', 'optional'].flatMap((priority) =>
    lines.filter((line) => line.startsWith(`${priority} `)).map((line) => line.slice(priority.length + 1)),
  );
  mkdirSync(scratch, { recursive: true });
  mkdirSync(root);
  const download = (...names: readonly string[]): number | null =>
    spawnSync('apt-get', ['download', '-q', ...names], { cwd: scratch }).status;
  const wanted = byNeed.slice(0, UNPACKED);
  // When one is no longer to be had, that fails for all; then each is asked for alone.
  if (download(...wanted) !== 0) for (const name of wanted) download(name);
  const packages = readdirSync(scratch).filter((name) => name.endsWith('.deb'));
  for (const name of packages) run('dpkg', '-x', join(scratch, name), root);
  return packages.length === 0 ? undefined : `${packages.length} packages unpacked by dpkg`;
}

function copy(root: string): string {
  mkdirSync(root, { recursive: true });
  const there = COPIED.filter((path) => existsSync(path));
  run('sh', '-c', 'cp -a --parents "$@"', 'sh', ...there, root);
  return `a copy of ${there.join(', ')}`;
}

/** Capabilities, lists, attributes, devices, owners: what a system gets only when it is set up and used. */
function addWhatPackagesLack(root: string): void {
  const binaries = spawnSync('find', [root, '-path', '*bin/*', '-type', 'f'], { encoding: 'utf8' })
    .stdout.trim()
    .split('\n');
  for (const path of binaries.slice(0, 20)) run('setcap', 'cap_net_raw,cap_net_admin+ep', path);
  for (const path of binaries.slice(20, 40)) run('setfacl', '-m', 'u:1000:rx,g:4711:---', path);
  for (const path of binaries.slice(30, 60)) run('setfattr', '-n', 'user.checksum', '-v', '0x00ff17', path);
  for (const path of binaries.slice(50, 60)) run('setfattr', '-n', 'trusted.checked', '-v', 'yes', path);
  const at = (name: string): string => join(root, 'srv', name);
  mkdirSync(at('shared'), { recursive: true });
  run('setfacl', '-m', 'g:100:rwx', '-d', '-m', 'g:100:rwx', at('shared'));
  chownSync(at('shared'), 33, 100);
  chmodSync(at('shared'), 0o3775);
  for (let i = 0; i < 200; i++) {
    writeFileSync(at(`shared/file ${i}`), `content ${i}`);
    chownSync(at(`shared/file ${i}`), 1000 + i, 100);
  }
  run('truncate', '-s', '300M', at('swap'));
  run('dd', 'if=/dev/urandom', `of=${at('swap')}`, 'bs=1M', 'count=5', 'seek=77', 'conv=notrunc');
  for (const [name, ...device] of [
    ['console', 'c', '5', '1'],
    ['disk', 'b', '8', '17'],
    ['queue', 'p'],
  ] as const)
    run('mknod', at(name), ...device);
}
