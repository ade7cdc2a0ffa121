// The work of `mount`: checks the options, mounts, and waits for the end.
// The file system itself is in mount/.
import { once } from 'node:events';
import { VarveError } from '../../../errors/errors.js';
import { parseSize } from '../../../filesystem/filter.js';
import { type MountOptions, mountRepository, type RunningMount } from '../../../mount/mount.js';
import { checkTemplate, DEFAULT_PATHS, DEFAULT_TIME } from '../../../mount/view/templates.js';
import type { Context } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { requireWorkingDirectory } from '../../repository/working-directory.js';
import { type SelectionOptions, selectionFilter } from '../../snapshots/snapshot-selection.js';

export interface MountFlags extends SelectionOptions {
  readonly pathTemplate?: readonly string[];
  readonly timeTemplate?: string;
  readonly ownerRoot?: boolean;
  readonly allowOther?: boolean;
  readonly defaultPermissions: boolean;
  readonly cacheSize: string;
}

/** Bytes: the cache must hold a few frames. */
const LEAST_CACHE = 16 * 1024 * 1024;
/** The limit of one piece of memory. */
const MOST_CACHE = 4000 * 1024 * 1024;

/** Mounts until a signal or an unmount ends it. */
export async function mountCommand(
  context: Context,
  [mountpoint]: readonly string[],
  flags: MountFlags,
): Promise<number> {
  if (mountpoint === undefined) throw new VarveError('usage', 'the mount point is missing: give an existing directory');
  const options = mountOptions(context, flags);
  const opened = await openFromOptions(context);
  requireWorkingDirectory(mountpoint);
  const running = await mountRepository(opened, mountpoint, options);
  context.outliveReader();
  reportStart(context, running, mountpoint);
  try {
    await Promise.race([running.ended, aborted(context)]);
    if (context.signal.aborted) await stop(context, running);
  } finally {
    await running.close();
  }
  return 0;
}

function mountOptions(context: Context, flags: MountFlags): MountOptions {
  const { pathTemplate: pathTemplates = DEFAULT_PATHS, timeTemplate = DEFAULT_TIME } = flags;
  for (const template of pathTemplates) checkTemplate(template);
  if (!flags.defaultPermissions && flags.allowOther !== true)
    throw new VarveError('usage', '--no-default-permissions needs --allow-other');
  return {
    filter: selectionFilter(context, flags),
    pathTemplates,
    timeTemplate,
    cacheSize: cacheSizeOf(flags.cacheSize),
    ownerRoot: flags.ownerRoot === true,
    allowOther: flags.allowOther === true,
    // As in restic, without --allow-other only the user who mounts can read, and can read everything.
    defaultPermissions: flags.allowOther === true && flags.defaultPermissions,
    onError: (message) => context.output.warn(message),
  };
}

function cacheSizeOf(text: string): number {
  let size: number;
  try {
    size = parseSize(text);
  } catch (cause) {
    throw new VarveError('usage', `--cache-size: "${text}" is not a size such as 128M`, { cause });
  }
  if (size < LEAST_CACHE || size > MOST_CACHE)
    throw new VarveError('usage', `--cache-size: "${text}": from 16M to 4000M can be had`);
  return size;
}

function reportStart({ output }: Context, running: RunningMount, mountpoint: string): void {
  if (output.json) output.object({ message_type: 'mounted', mountpoint: running.path });
  output.message(`Now serving the repository at ${mountpoint}`);
  output.message('Use another terminal or tool to browse the contents of this folder.');
  output.message('When finished, quit with Ctrl-c here or umount the mountpoint.');
  output.flush();
}

async function stop({ output }: Context, running: RunningMount): Promise<void> {
  output.message('unmounting');
  output.flush();
  if (await running.stop()) return;
  output.warn(`${running.path} was in use: it is out of sight, and who uses it gets errors from now on`);
}

async function aborted({ signal }: Context): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
