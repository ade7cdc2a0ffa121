import type { Buffer } from 'node:buffer';
import { statfsSync } from 'node:fs';

/** File systems whose files the kernel generates, by their type in statfs(2). */
const PSEUDO: ReadonlyMap<number, string> = new Map([
  [0x9fa0, 'proc'],
  [0x62656572, 'sysfs'],
  [0x1cd1, 'devpts'],
  [0x27e0eb, 'cgroup'],
  [0x63677270, 'cgroup2'],
  [0x64626720, 'debugfs'],
  [0x74726163, 'tracefs'],
  [0x73636673, 'securityfs'],
  [0xf97cff8c, 'selinuxfs'],
  [0xcafe4a11, 'bpf'],
  [0x6165676c, 'pstore'],
  [0xde5e81e4, 'efivarfs'],
  [0x62656570, 'configfs'],
  [0x19800202, 'mqueue'],
  [0x958458f6, 'hugetlbfs'],
  [0x42494e4d, 'binfmt_misc'],
  [0x0187, 'autofs'],
  [0x65735543, 'fusectl'],
  [0x6e736673, 'nsfs'],
  [0x67596969, 'rpc_pipefs'],
]);
/** Directories whose content is lost at the next start, on file systems of ordinary types. */
const RUN_TIME = ['/proc', '/sys', '/dev', '/run'];

/**
 * Why a backup leaves out the file system mounted at a directory; undefined when it does not.
 *
 * @param path of the directory, and `reachable` a path by which it can be opened
 * @param wholeSystem whether all of `/` is backed up
 */
export function pseudoFileSystem(path: Buffer, reachable: Buffer, wholeSystem: boolean): string | undefined {
  const kind = kindOf(reachable);
  if (kind !== undefined) return `its kind: a ${kind} file system`;
  const name = path.toString('latin1');
  return wholeSystem && RUN_TIME.includes(name) ? `its place: ${name} is of the running system` : undefined;
}

function kindOf(path: Buffer): string | undefined {
  try {
    return PSEUDO.get(statfsSync(path).type);
  } catch {
    return undefined;
  }
}
