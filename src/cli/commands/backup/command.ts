import type { Buffer } from 'node:buffer';
import type { BackupOptions, BackupResult, StreamSource } from '../../../backup/options.js';
import { figuresBefore, findParent, requireParent } from '../../../backup/parent.js';
import { findSources } from '../../../backup/sources.js';
import { toHex } from '../../../bytes/hex.js';
import type { VarveError } from '../../../errors/errors.js';
import { PROGRAM } from '../../../library/version.js';
import type { IndexedRepository } from '../../../repository/index/index-store.js';
import { findSnapshot, type SnapshotList, type StoredSnapshot } from '../../../repository/snapshots/snapshots.js';
import { workingDirectory } from '../../program/arguments.js';
import { truthOf } from '../../program/boolean-options.js';
import { compressionFrom, packTarget } from '../../program/global-options.js';
import type { Context } from '../../program/shell.js';
import { thisHost, thisUser } from '../../repository/machine.js';
import { openFromOptions } from '../../repository/open.js';
import { parseGroupBy } from '../../snapshots/snapshot-groups.js';
import { readSnapshots, tagsFrom, warnOfIndex } from '../../snapshots/snapshot-selection.js';
import { parseTimeOption } from '../../text/time.js';
import { adviseOnExcludes } from './exclude-advice.js';
import {
  type BackupFlags,
  filterFrom,
  maxShrinkFrom,
  refuseContradictions,
  sourcesFrom,
  threadsFrom,
} from './options.js';
import { BackupReport } from './report.js';
import { streamFrom } from './stream-source.js';

const INCOMPLETE = 3;

type Prepared = Omit<BackupOptions, 'parent' | 'before' | 'signal' | 'onEvent' | 'onStart' | 'verbose' | 'scan'>;

export async function backupCommand(context: Context, args: readonly string[], flags: BackupFlags): Promise<number> {
  context.outliveReader();
  refuseContradictions(args, flags);
  const prepared = prepare(context, args, flags);
  const { repository, parent, earlierFigures, backup } = await open(context, prepared, flags);
  const report = new BackupReport(context, parent);
  const options: BackupOptions = {
    ...prepared,
    parent,
    earlierFigures,
    signal: context.signal,
    verbose: report.wantsItems,
    scan: flags.scan && report.showsProgress,
    onEvent: (event) => report.event(event),
    onStart: (progress) => report.start(progress),
  };
  report.announce(isStream(prepared.sources));
  let result: BackupResult;
  try {
    result = await backup(repository, options);
  } finally {
    report.stop();
  }
  report.finish(result, flags.dryRun === true);
  return result.errors > 0 || result.suspects.length > 0 ? INCOMPLETE : 0;
}

/** Parses the command line alone, so that its mistakes show before the question for a password. */
function prepare(context: Context, args: readonly string[], flags: BackupFlags): Prepared {
  const target = packTarget(context.globals, context.environment);
  const threads = threadsFrom(context, flags);
  const maxShrink = maxShrinkFrom(flags);
  const sources = streamFrom(context, args, flags) ?? sourcesFrom(context, args, flags);
  if (!isStream(sources)) adviseOnExcludes(context, flags.exclude ?? [], sources);
  return {
    sources,
    directory: workingDirectory(),
    host: flags.host || context.environment.VARVE_HOST || thisHost(),
    user: thisUser(),
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    tags: tagsFrom(flags.tag),
    filter: filterFrom(context, flags),
    program: PROGRAM,
    compression: compressionFrom(context),
    ...(flags.time !== undefined && { time: parseTimeOption(flags.time, '--time') }),
    ...(target !== undefined && { packTarget: target }),
    ...(threads !== undefined && { threads }),
    ...(maxShrink !== undefined && { maxShrink }),
    ignoreInode: flags.ignoreInode ?? isSet(context, 'VARVE_IGNORE_INODE'),
    ignoreCtime: flags.ignoreCtime ?? isSet(context, 'VARVE_IGNORE_CTIME'),
    ...(flags.withAtime !== undefined && { withAtime: flags.withAtime }),
    ...(flags.dryRun !== undefined && { dryRun: flags.dryRun }),
    ...(flags.skipIfUnchanged !== undefined && { skipIfUnchanged: flags.skipIfUnchanged }),
  };
}

/** As in restic, a value that is neither true nor false means false. */
function isSet({ environment }: Context, name: string): boolean {
  return truthOf(environment[name] ?? '') === true;
}

async function loadEngine() {
  const [engine, run, index, orphans] = await Promise.all([
    import('../../../backup/backup.js'),
    import('../../../backup/backup-run.js'),
    import('../../../repository/index/index-store.js'),
    import('../../../repository/index/orphans.js'),
  ]);
  return { ...engine, ...run, ...index, ...orphans };
}

interface Opened {
  readonly repository: IndexedRepository;
  readonly parent: StoredSnapshot | undefined;
  readonly earlierFigures: NonNullable<BackupOptions['earlierFigures']>;
  readonly backup: typeof import('../../../backup/backup.js').backup;
}

async function open(context: Context, prepared: Prepared, flags: BackupFlags): Promise<Opened> {
  const opened = await openFromOptions(context, async () => {
    const { prewarm } = await loadEngine();
    prewarm(prepared.threads);
  });
  const { backup, loadIndexToWrite, loadAndAdopt } = await loadEngine();
  const onDamage = (error: VarveError): void => warnOfIndex(context, error);
  const load = async () =>
    flags.dryRun === true
      ? { repository: await loadIndexToWrite(opened, onDamage), adopted: 0 }
      : await loadAndAdopt(opened, onDamage);
  const [{ repository, adopted }, snapshots] = await Promise.all([load(), readSnapshots(context, opened)]);
  if (adopted > 0)
    context.output.message(`an earlier backup was interrupted: ${adopted} packs that it had stored are used again`);
  const own = toHex(opened.identity.slot);
  const parent = isStream(prepared.sources) ? undefined : parentOf(prepared, prepared.sources, snapshots, flags, own);
  return { repository, parent, earlierFigures: figuresBefore(snapshots, prepared, own), backup };
}

function parentOf(
  prepared: Prepared,
  sources: readonly Buffer[],
  snapshots: SnapshotList,
  flags: BackupFlags,
  own: string,
): StoredSnapshot | undefined {
  if (flags.force === true) return undefined;
  if (flags.parent !== undefined) return requireParent(findSnapshot(snapshots, flags.parent), own);
  const { host, tags, time, directory } = prepared;
  const { paths } = findSources(sources, directory);
  return findParent(snapshots, { host, tags, time, paths }, parseGroupBy(flags.groupBy), own);
}

function isStream(sources: BackupOptions['sources']): sources is StreamSource {
  return 'bytes' in sources;
}
