// The work of `restore`: chooses the snapshot and the path, and checks the target.
// report.ts prints; the restore itself is in restore/.
import { Buffer } from 'node:buffer';
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { VarveError } from '../../../errors/errors.js';
import { readPatternFile } from '../../../filesystem/files-from.js';
import { type PatternSpec, parsePatterns } from '../../../filesystem/patterns.js';
import { posixLimits } from '../../../filesystem/posix.js';
import { shortId } from '../../../repository/snapshots/snapshots.js';
import type { Overwrite, RestoreOptions, XattrPatterns } from '../../../restore/options.js';
import { startingPoint } from '../../../restore/starting-point.js';
import type { Context } from '../../program/shell.js';
import { warnOfMissingDisk } from '../../repository/missing-disk.js';
import { openFromOptions } from '../../repository/open.js';
import { requireWorkingDirectory } from '../../repository/working-directory.js';
import { makerOf } from '../../snapshots/snapshot-json.js';
import {
  type Chosen,
  chooseOne,
  readIndex,
  readSnapshots,
  requiredSnapshot,
  type SelectionOptions,
  selectionFilter,
} from '../../snapshots/snapshot-selection.js';
import { printable } from '../../text/escape.js';
import { localTime } from '../../text/time.js';
import { RestoreReport } from './report.js';

export interface RestoreFlags extends SelectionOptions {
  readonly target?: string;
  readonly include?: readonly string[];
  readonly iinclude?: readonly string[];
  readonly includeFile?: readonly string[];
  readonly iincludeFile?: readonly string[];
  readonly exclude?: readonly string[];
  readonly iexclude?: readonly string[];
  readonly excludeFile?: readonly string[];
  readonly iexcludeFile?: readonly string[];
  readonly overwrite: string;
  readonly delete?: boolean;
  readonly verify?: boolean;
  readonly dryRun?: boolean;
  readonly includeXattr?: readonly string[];
  readonly excludeXattr?: readonly string[];
  readonly numericOwner?: boolean;
  readonly ownershipByName?: boolean;
  readonly sparse?: boolean;
  /** False with --no-special. */
  readonly special?: boolean;
}

const SLASH = Buffer.from('/');
const OVERWRITES: readonly Overwrite[] = ['always', 'if-changed', 'if-newer', 'never'];

export async function restoreCommand(context: Context, args: readonly string[], flags: RestoreFlags): Promise<number> {
  context.outliveReader();
  const name = requiredSnapshot(args, flags);
  if (flags.target === undefined || flags.target === '')
    throw new VarveError('usage', 'the target is missing: give --target DIRECTORY');
  const wanted = wantedFiles(context, flags);
  const overwrite = OVERWRITES.find((each) => each === flags.overwrite);
  if (overwrite === undefined)
    throw new VarveError('usage', `--overwrite: "${flags.overwrite}" is none of ${OVERWRITES.join(', ')}`);
  const xattrs = xattrPatterns(flags);
  if (flags.numericOwner === true && flags.ownershipByName === true)
    throw new VarveError('usage', '--numeric-owner and --ownership-by-name exclude each other');
  const opened = await openFromOptions(context, loadEngine);
  opened.keys.requireRole('full', 'restore files');
  const { restore, Selection, TreeReader } = await loadEngine();
  const [repository, snapshots] = await Promise.all([readIndex(context, opened), readSnapshots(context, opened)]);
  const chosen = chooseOne(snapshots, name, selectionFilter(context, flags));
  const trees = new TreeReader(repository, { signal: context.signal });
  const from = await startingPoint(trees, chosen.stored.snapshot.root, chosen.subdirectory);
  requireWorkingDirectory(flags.target);
  refuseFile(flags.target);
  warnOfMissingDisk(context, flags.target);
  announce(context, chosen, flags.target);
  const limits = posixLimits();
  if (limits !== undefined) context.output.warn(limits);
  const selection = new Selection(wanted);
  const report = new RestoreReport(context, {
    dryRun: flags.dryRun ?? false,
    verify: flags.verify ?? false,
    including: wanted.includes?.some((each) => each.patterns.length > 0) ?? false,
    isOnTheWay: (path) => isAboveSources(chosen, path) || !selection.choose(path).selected,
  });
  const options: RestoreOptions = {
    ...from,
    target: resolve(flags.target),
    ...wanted,
    overwrite,
    delete: flags.delete ?? false,
    verify: flags.verify ?? false,
    dryRun: flags.dryRun ?? false,
    numericOwner: flags.numericOwner ?? false,
    xattrs,
    setOwner: process.geteuid?.() === 0,
    sparse: flags.sparse ?? false,
    noSpecial: flags.special === false,
    verbose: report.wantsItems,
    signal: context.signal,
    onEvent: (event) => report.event(event),
    onStart: (progress) => report.start(progress),
  };
  try {
    const result = await restore(repository, options);
    report.finish(result);
    return result.errors > 0 ? 1 : 0;
  } finally {
    report.stop();
  }
}

function refuseFile(target: string): void {
  if (existsSync(target) && !statSync(target).isDirectory())
    throw new VarveError('target', `${target} is not a directory: --target says in which directory files are restored`);
}

/** Whether a restored path is a directory above all sources. The backup stored only the way through it. */
function isAboveSources({ stored, subdirectory }: Chosen, path: Buffer): boolean {
  const below = path.equals(SLASH) ? path : Buffer.concat([path, SLASH]);
  const directory = Buffer.concat([...subdirectory.flatMap((name) => [SLASH, name]), below]);
  const { paths } = stored.snapshot;
  return paths.some((each) => each.subarray(0, directory.length).equals(directory));
}

async function loadEngine() {
  const [engine, selection, index, trees] = await Promise.all([
    import('../../../restore/restore.js'),
    import('../../../restore/selection.js'),
    import('../../../repository/index/index-store.js'),
    import('../../../repository/reading/tree-reader.js'),
  ]);
  return { ...engine, ...selection, ...index, ...trees };
}

function wantedFiles(context: Context, flags: RestoreFlags): Pick<RestoreOptions, 'includes' | 'excludes'> {
  const spec = (given: readonly string[] = [], files: readonly string[] = [], option: string): PatternSpec => {
    const insensitive = option.startsWith('--i') && option !== '--include-file';
    const warn = (message: string): void => context.output.warn(message);
    const patterns = [...given, ...files.flatMap((file) => readPatternFile(file, context.environment, warn, option))];
    parsePatterns(patterns, { insensitive });
    return { patterns, insensitive };
  };
  const includes = [
    spec(flags.include, flags.includeFile, '--include-file'),
    spec(flags.iinclude, flags.iincludeFile, '--iinclude-file'),
  ];
  const excludes = [
    spec(flags.exclude, flags.excludeFile, '--exclude-file'),
    spec(flags.iexclude, flags.iexcludeFile, '--iexclude-file'),
  ];
  if (includes.some((each) => each.patterns.length > 0) && excludes.some((each) => each.patterns.length > 0)) {
    throw new VarveError('usage', '--include and --exclude exclude each other');
  }
  return { includes, excludes };
}

function xattrPatterns({ includeXattr = [], excludeXattr = [] }: RestoreFlags): XattrPatterns | undefined {
  if (includeXattr.length > 0 && excludeXattr.length > 0)
    throw new VarveError('usage', '--include-xattr and --exclude-xattr exclude each other');
  const kind = includeXattr.length > 0 ? 'include' : 'exclude';
  const patterns = [...includeXattr, ...excludeXattr];
  if (parsePatterns(patterns).empty) return undefined;
  return { kind, patterns };
}

function announce({ output }: Context, { stored, subdirectory }: Chosen, target: string): void {
  const { snapshot, id } = stored;
  const paths = snapshot.paths.map(printable).join(', ');
  const below = subdirectory.length === 0 ? '' : ` (only ${printable(Buffer.from(`/${subdirectory.join('/')}`))})`;
  output.message(
    `restoring snapshot ${shortId(id)} of [${paths}] at ${localTime(snapshot.time)} by ${makerOf(snapshot)} to ${target}${below}`,
  );
  output.flush();
}
