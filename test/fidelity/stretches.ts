import { Buffer } from 'node:buffer';
import { closeSync, constants, openSync } from 'node:fs';

/** Bytes of a path that programs and the kernel take for certain; the longest is 4,096. */
const REACH = 3500;

/** A directory, as a path that all programs take, and the paths below it that they can reach from there. */
export interface Stretch {
  readonly directory: string;
  /** Where it is below the root: empty, or with a slash at the end. */
  readonly prefix: string;
  /** Paths from the directory on. */
  readonly paths: readonly string[];
  /** Directories among them whose content belongs to other stretches. */
  readonly beyond: readonly string[];
}

/**
 * Cuts a tree into stretches that are short enough for the kernel to take their paths in one go. A stretch's directory is named by an open descriptor,
 * so it also does for a root whose name is no text.
 *
 * @param paths of bytes as characters, directories before what is in them
 */
export function withStretches<T>(
  root: string | Buffer,
  paths: readonly string[],
  action: (stretches: readonly Stretch[]) => T,
): T {
  const files: number[] = [];
  const open = (directory: string | Buffer): string => {
    files.push(openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY));
    return `/proc/${process.pid}/fd/${files.at(-1)}`;
  };
  try {
    return action(stretch(open(root), '', paths, open));
  } finally {
    files.forEach(closeSync);
  }
}

function stretch(
  directory: string,
  prefix: string,
  paths: readonly string[],
  open: (directory: string | Buffer) => string,
): Stretch[] {
  const near = paths.filter((path) => path.length <= REACH);
  const far = new Map<string, string[]>();
  for (const path of paths.filter(({ length }) => length > REACH)) {
    const cut = path.lastIndexOf('/', REACH);
    const [above, below] = [path.slice(0, cut), path.slice(cut + 1)];
    far.set(above, [...(far.get(above) ?? []), below]);
  }
  const others = [...far].flatMap(([above, below]) =>
    stretch(open(Buffer.from(`${directory}/${above}`, 'latin1')), `${prefix}${above}/`, below, open),
  );
  return [{ directory, prefix, paths: near, beyond: [...far.keys()] }, ...others];
}
