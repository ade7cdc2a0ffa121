// The work of `find`: searches snapshots for files, or for the users of blobs and packs.
// file-report.ts and object-report.ts print; the search itself is in browse/.
import { type FileCriteria, FileFinder } from '../../../browse/find-files.js';
import { ObjectFinder, type ObjectNames } from '../../../browse/find-objects.js';
import { type Finder, Search } from '../../../browse/search.js';
import { VarveError } from '../../../errors/errors.js';
import { parseSize } from '../../../filesystem/filter.js';
import { TreeReader } from '../../../repository/reading/tree-reader.js';
import type { StoredSnapshot } from '../../../repository/snapshots/snapshots.js';
import type { Context } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import type { LineOptions } from '../../snapshots/node-line.js';
import {
  chooseSnapshots,
  listedCode,
  readIndex,
  readSnapshots,
  type SelectionOptions,
  selectionFilter,
} from '../../snapshots/snapshot-selection.js';
import { ReadErrors } from '../../terminal/read-errors.js';
import { parsePastTime } from '../../text/past-time.js';
import { counted } from '../../text/units.js';
import { FileReport } from './file-report.js';
import { ObjectReport } from './object-report.js';

export interface FindFlags extends SelectionOptions, LineOptions {
  readonly ignoreCase?: boolean;
  readonly oldest?: string;
  readonly newest?: string;
  readonly minSize?: string;
  readonly maxSize?: string;
  readonly reverse?: boolean;
  readonly snapshot?: readonly string[];
  readonly blob?: boolean;
  readonly tree?: boolean;
  readonly pack?: boolean;
  readonly showPackId?: boolean;
}

/** Prints hits as they come. */
interface HitReport<Hit> {
  found(stored: StoredSnapshot, hit: Hit): void;
  finish(): void;
}

export async function findCommand(context: Context, patterns: readonly string[], flags: FindFlags): Promise<number> {
  if (patterns.length === 0) throw new VarveError('usage', "a pattern is missing, for example: varve find '*.odt'");
  const objects = objectNames(patterns, flags);
  const files = new FileFinder(criteria(patterns, flags));
  const opened = await openFromOptions(context);
  opened.keys.requireRole('manage', 'find files');
  const [repository, all] = await Promise.all([readIndex(context, opened), readSnapshots(context, opened)]);
  const chosen = chooseSnapshots(all, flags.snapshot ?? [], selectionFilter(context, flags));
  const snapshots = flags.reverse === true ? chosen : chosen.toReversed();
  const { output, signal } = context;
  const reader = new TreeReader(repository, { signal });
  const errors = new ReadErrors(output, 'find');
  const search = async <Hit>(finder: Finder<Hit>, report: HitReport<Hit>): Promise<void> => {
    const searching = new Search(reader, finder, { onError: (error) => errors.report(error), signal });
    let found = 0;
    for (const stored of snapshots) {
      await searching.run(stored.snapshot.root, (hit) => {
        report.found(stored, hit);
        found++;
      });
    }
    report.finish();
    if (found === 0) output.message(`nothing was found in ${counted(snapshots.length, 'snapshot')}`);
  };
  if (objects === undefined) await search(files, new FileReport(output, flags));
  else {
    const packsOf = flags.showPackId === true ? repository.index : undefined;
    await search(new ObjectFinder(repository, reader, objects), new ObjectReport(output, packsOf));
  }
  return errors.exitCode || listedCode(all, flags.snapshot ?? []);
}

function criteria(patterns: readonly string[], flags: FindFlags): FileCriteria {
  const { oldest, newest, minSize, maxSize } = flags;
  return {
    // As in restic, an empty pattern finds everything.
    patterns: patterns.map((pattern) => pattern || '*'),
    insensitive: flags.ignoreCase ?? false,
    ...(oldest !== undefined && { oldest: parsePastTime(oldest, '--oldest') }),
    ...(newest !== undefined && { newest: parsePastTime(newest, '--newest') }),
    ...(minSize !== undefined && { minSize: parseSize(minSize) }),
    ...(maxSize !== undefined && { maxSize: parseSize(maxSize) }),
  };
}

function objectNames(ids: readonly string[], flags: FindFlags): ObjectNames | undefined {
  const [kind, ...more] = (['blob', 'tree', 'pack'] as const).filter((each) => flags[each] === true);
  if (more.length > 0) throw new VarveError('usage', '--blob, --tree and --pack exclude each other');
  return kind && { kind, ids };
}
