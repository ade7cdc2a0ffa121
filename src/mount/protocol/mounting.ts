// Mounts and unmounts, as root and as a user.
// Talking to the kernel afterwards is left to session.ts.

import { Buffer } from 'node:buffer';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { constants as system } from 'node:os';
import { errnoCode, systemReason, VarveError } from '../../errors/errors.js';
import { systemError } from '../../filesystem/libc.js';
import { childEnvironment } from '../../storage/transport/child-environment.js';
import { calls } from './calls.js';
import { receiveDescriptor, socketPair } from './descriptors.js';

const DEVICE = '/dev/fuse';
const HELPERS = ['fusermount3', 'fusermount'];
/** The largest READ in bytes. */
export const MAX_READ = 1024 * 1024;

const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MNT_DETACH = 2;
const F_GETFL = 3;
const F_SETFL = 4;

export interface MountOptions {
  /** Whether other users may use the mount. */
  readonly allowOther: boolean;
  /** Whether the kernel checks modes and owners. */
  readonly defaultPermissions: boolean;
  /** The source that `df` and `mount` show. */
  readonly source: string;
}

/** A mount, and the device through which the kernel sends requests. */
export interface Mounted {
  /** Descriptor of /dev/fuse, non-blocking. */
  readonly file: number;
  /** The mount point, with links resolved. */
  readonly path: string;
  /**
   * Unmounts.
   *
   * @param lazily also when it is in use: the mount is then detached and ends when no program uses it any more
   * @returns false when the mount is in use
   */
  unmount(lazily: boolean): Promise<boolean>;
}

/**
 * Mounts: as root with mount(2), as a user with fusermount3.
 *
 * @throws VarveError whose message says what is missing
 */
export async function mount(mountpoint: string, options: MountOptions): Promise<Mounted> {
  calls();
  const path = await directoryToMountOn(mountpoint);
  return process.geteuid?.() === 0 ? mountAsRoot(path, options) : mountAsUser(path, options);
}

async function directoryToMountOn(mountpoint: string): Promise<string> {
  try {
    if (!statSync(mountpoint).isDirectory()) throw new VarveError('usage', `${mountpoint}: is not a directory`);
    return await realpath(mountpoint);
  } catch (cause) {
    if (cause instanceof VarveError) throw cause;
    const code = errnoCode(cause);
    if (code === 'ENOTCONN')
      throw new VarveError(
        'target',
        `${mountpoint}: the program behind the mount there has ended; unmount it with \`umount -l ${mountpoint}\` or \`fusermount3 -uz ${mountpoint}\``,
      );
    const hint = code === 'ENOENT' ? `; create it with \`mkdir ${mountpoint}\`` : '';
    throw new VarveError('target', `${mountpoint}: ${systemReason(cause)}${hint}`, { cause });
  }
}

function mountAsRoot(path: string, options: MountOptions): Mounted {
  const file = openDevice();
  const c = calls();
  const data = [`fd=${file}`, 'rootmode=40000', 'user_id=0', 'group_id=0', ...kernelOptions(options)].join(',');
  const target = Buffer.from(`${path}\0`);
  if (c.mount(options.source, target, 'fuse.varve', MS_RDONLY | MS_NOSUID | MS_NODEV, data) !== 0) {
    const errno = c.errno();
    closeSync(file);
    throw rootFailure(path, errno);
  }
  const unmount = async (lazily: boolean): Promise<boolean> => {
    if (c.umount2(target, lazily ? MNT_DETACH : 0) === 0) return true;
    const errno = c.errno();
    if (errno === system.errno.EBUSY) return false;
    // Not mounted any more: another program unmounted it.
    if (errno === system.errno.EINVAL || errno === system.errno.ENOENT) return true;
    throw new VarveError('target', `${path}: cannot unmount: ${systemReason(systemError(errno, 'umount2'))}`);
  };
  return { file, path, unmount };
}

function kernelOptions({ allowOther, defaultPermissions }: MountOptions): string[] {
  return [
    ...(allowOther ? ['allow_other'] : []),
    ...(defaultPermissions ? ['default_permissions'] : []),
    `max_read=${MAX_READ}`,
  ];
}

function openDevice(): number {
  try {
    return openSync(DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    throw deviceFailure(cause);
  }
}

/** Explains why /dev/fuse cannot be opened, and what to do. */
function deviceFailure(cause: unknown): VarveError {
  const code = errnoCode(cause);
  const say = (what: string): VarveError => new VarveError('target', what, { cause });
  if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO')
    return say(
      `${DEVICE} is missing: the kernel has no FUSE. Load it with \`modprobe fuse\` as root; start a container with \`docker run --device ${DEVICE} --cap-add SYS_ADMIN\``,
    );
  if (code === 'EACCES' || code === 'EPERM')
    return say(
      `${DEVICE} cannot be opened: ${systemReason(cause)}. Allow it to all users with \`chmod 666 ${DEVICE}\` as root, which is what most systems do; give a container the device`,
    );
  return say(`${DEVICE} cannot be opened: ${systemReason(cause)}`);
}

function rootFailure(path: string, errno: number): VarveError {
  const reason = systemReason(systemError(errno, 'mount'));
  const hint =
    errno === system.errno.EPERM
      ? '; allow a container to mount with `docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined`'
      : errno === system.errno.ENODEV
        ? '; the kernel lacks FUSE: load it with `modprobe fuse`'
        : '';
  return new VarveError('target', `${path}: cannot mount here: ${reason}${hint}`);
}

function mountAsUser(path: string, options: MountOptions): Mounted {
  // Fails with a better message than fusermount3 would.
  closeSync(openDevice());
  const helper = findHelper();
  const [ours, theirs] = socketPair();
  try {
    const asked = ['ro', 'nosuid', 'nodev', `fsname=${escapeOption(options.source)}`, 'subtype=varve'];
    const args = ['-o', [...asked, ...kernelOptions(options)].join(','), '--', path];
    const ran = spawnSync(helper, args, {
      stdio: ['ignore', 'ignore', 'pipe', theirs],
      env: { ...childEnvironment('system', process.env), _FUSE_COMMFD: '3' },
      encoding: 'utf8',
    });
    if (ran.status !== 0) throw helperFailure(path, ran.stderr ?? '', ran.error);
    const file = receiveDescriptor(ours);
    const c = calls();
    c.fcntl(file, F_SETFL, c.fcntl(file, F_GETFL, 0) | constants.O_NONBLOCK);
    return { file, path, unmount: (lazily) => unmountAsUser(helper, path, lazily) };
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/** fusermount3 splits its options at commas. */
function escapeOption(text: string): string {
  return text.replaceAll(/[\\,]/g, '\\$&');
}

function findHelper(): string {
  const env = childEnvironment('system', process.env);
  for (const helper of HELPERS)
    if (spawnSync(helper, ['-V'], { stdio: 'ignore', env }).error === undefined) return helper;
  throw new VarveError(
    'target',
    'fusermount3 is missing, and only root can mount without it: install fuse3 (apt install fuse3, dnf install fuse3, apk add fuse3)',
  );
}

function helperFailure(path: string, stderr: string, cause: Error | undefined): VarveError {
  const said = stderr.trim().replaceAll(/\s*\n\s*/g, '; ');
  const reason = said === '' ? `fusermount3 failed${cause === undefined ? '' : `: ${cause.message}`}` : said;
  const hint = said.includes('user_allow_other')
    ? '; root must add the line `user_allow_other` to /etc/fuse.conf'
    : /must have .*setuid|Operation not permitted/i.test(said)
      ? '; fusermount3 must belong to root and have its setuid bit (reinstall fuse3), and a container must be allowed to mount'
      : '';
  return new VarveError('target', `${path}: cannot mount here: ${reason}${hint}`);
}

/** Unmounts through the helper. Asynchronous, because the helper may send requests to the mount, which this process answers. */
async function unmountAsUser(helper: string, path: string, lazily: boolean): Promise<boolean> {
  const child = spawn(helper, ['-u', ...(lazily ? ['-z'] : []), '--', path], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: childEnvironment('system', process.env),
  });
  let said = '';
  child.stderr?.on('data', (bytes) => {
    said += bytes;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  if (status === 0 || !isMounted(path)) return true;
  if (/busy/i.test(said)) return false;
  throw new VarveError('target', `${path}: cannot unmount: ${said.trim()}`);
}

/** The file with the kernel's read-ahead of a mount; undefined when it cannot be found. */
export function readAheadSetting(path: string): string | undefined {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .findLast((each) => each.split(' ')[4] === escapeMount(path));
  const device = line?.split(' ')[2];
  return device === undefined ? undefined : `/sys/class/bdi/${device}/read_ahead_kb`;
}

/** A path as the kernel escapes it in its lists of mounts. */
export function escapeMount(path: string): string {
  return path.replaceAll(/[ \t\n\\]/g, (each) => `\\${each.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

/** Whether a varve file system is mounted at a path. */
export function isMounted(path: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => line.includes(` ${escapeMount(path)} fuse.varve `));
}
