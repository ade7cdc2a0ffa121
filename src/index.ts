/**
 * varve as a library: what the command line does, a program can do. `Repository` does all of it in one object; the functions below are the
 * exact pieces that it is made of. docs/library.md has whole programs.
 *
 * ```ts
 * await using repository = await Repository.open('/mnt/backup/varve', { password });
 * await repository.restore('latest', '/tmp/restored');
 * ```
 */

export { backup } from './backup/backup.js';
export type { Counters } from './backup/counters.js';
export type { BackupEvent, BackupOptions, BackupResult, StreamSource } from './backup/options.js';
export { type Change, type DiffCounts, type Differences, type DiffOptions, diff } from './browse/diff.js';
export { type DumpedEntry, dumpEntries, dumpedEntry, dumpFile, type LeftOut, writeTar } from './browse/dump.js';
export { type FileCriteria, FileFinder, type FoundFile } from './browse/find-files.js';
export { type FoundObject, ObjectFinder, type ObjectNames } from './browse/find-objects.js';
export { type ListedEntry, type ListOptions, listTree } from './browse/list.js';
export {
  blobsOf,
  findObject,
  type ListedBlob,
  listIndexedPacks,
  listObjects,
  readIndexObject,
  readLeaseObject,
  readPack,
} from './browse/objects.js';
export { type Finder, type Found, Search, type SearchOptions } from './browse/search.js';
export { STATS_MODES, type Stats, type StatsMode, stats } from './browse/stats.js';
export { treeId } from './browse/tree-id.js';
export { writeZip } from './browse/zip.js';
export type { BlobKind } from './bytes/pack-constants.js';
export { check } from './check/check.js';
export type { Finding } from './check/findings.js';
export type { HealedPack } from './check/healer.js';
export type { CheckOptions, CheckProgress, CheckResult } from './check/options.js';
export { type ScrubResult, scrub } from './check/scrub.js';
export { parseSubset, type Subset } from './check/subset.js';
export { COMPRESSIONS, type Compression } from './compression/policy.js';
export { type CopyEvent, type CopyOptions, type CopyResult, copySnapshots } from './copy/copy.js';
export { type EditEvent, type EditOptions, editSnapshots } from './copy/rewrite.js';
export type { CopyProgress } from './copy/snapshot-copier.js';
export type { RepositoryKeys, Role } from './crypto/hierarchy.js';
export type { Unlock } from './crypto/slot-file.js';
export { type ErrorCode, type ErrorJson, VarveError } from './errors/errors.js';
export { type FilterSpec, NO_FILTER } from './filesystem/filter.js';
export type { PatternSpec } from './filesystem/patterns.js';
export type { Config, Sizes } from './format/config.js';
export type { ContentRef } from './format/content.js';
export type { Entry, EntryStat, EntryType } from './format/entry.js';
export type { EntryReader } from './format/entry-reader.js';
export type { Lease } from './format/lease.js';
export { joinPath } from './format/path.js';
export type { Snapshot, SnapshotSummary } from './format/snapshot.js';
export type {
  AccessOptions,
  BackupSettings,
  ByteRange,
  CheckSettings,
  CreateOptions,
  ForgetSettings,
  KeepCounts,
  PruneSettings,
  RestoreSettings,
  StreamToStore,
} from './library/options.js';
export type { Path } from './library/paths.js';
export { type Forgotten, Repository } from './library/repository.js';
export { MOUNT_DEFAULTS, type MountOptions, mountRepository, type RunningMount } from './mount/mount.js';
export { PRUNE_DEFAULTS, type PruneEvent, type PruneOptions, type PruneResult } from './prune/options.js';
export { prune } from './prune/prune.js';
export type {
  RecoveredSnapshot,
  RecoverOptions,
  RepairIndexOptions,
  RepairIndexResult,
  RepairPacksOptions,
  RepairPacksResult,
} from './repair/options.js';
export { recover } from './repair/recover.js';
export { repairIndex } from './repair/repair-index.js';
export { repairPacks } from './repair/repair-packs.js';
export {
  type Loss,
  type RepairSnapshotsEvent,
  type RepairSnapshotsOptions,
  repairSnapshots,
} from './repair/repair-snapshots.js';
export { type IndexedRepository, loadIndex } from './repository/index/index-store.js';
export { loadAndAdopt } from './repository/index/orphans.js';
export {
  addKeySlot,
  changePassword,
  findKeySlot,
  type KeySlot,
  type KeySlotList,
  listKeySlots,
  type NewKey,
  type RemoveOptions,
  type Rotation,
  removeKeySlot,
  rotateKeySlots,
} from './repository/keys/key-slots.js';
export { listLeases, type StoredLease } from './repository/leases/leases.js';
export { type InitOptions, initRepository, type OpenOptions, openRepository } from './repository/opening/open.js';
export { TreeReader } from './repository/reading/tree-reader.js';
export type { Repository as OpenedRepository } from './repository/repository.js';
export type { RewriteEvent, RewriteResult } from './repository/rewriting/rewrite-snapshots.js';
export type { GroupBy, GroupKey } from './repository/snapshots/snapshot-groups.js';
export {
  findSnapshot,
  listSnapshots,
  matchesFilter,
  type SnapshotFilter,
  type SnapshotList,
  type StoredSnapshot,
  shortId,
} from './repository/snapshots/snapshots.js';
export type { Overwrite, RestoreAction, RestoreEvent, RestoreOptions, RestoreProgress } from './restore/options.js';
export { restore } from './restore/restore.js';
export {
  type ForgetFailure,
  type ForgetOptions,
  forgetSnapshots,
  type PlannedGroup,
  type PlanOptions,
  planForget,
} from './retention/forget.js';
export type { Policy } from './retention/policy.js';
export { parseSpan, type Span } from './retention/span.js';
export { retag, type TagChange } from './retention/tags.js';
export { SERVE_DEFAULTS, type ServeOptions, type Server, serve } from './serve/server.js';
export { type CheckResult as StoreCheckResult, runChecks } from './storage/conformance/run.js';
export { measureSpeed, type Speed } from './storage/conformance/speed.js';
export { LocalStore } from './storage/local/local-store.js';
export { MemoryStore } from './storage/memory/memory-store.js';
export { openStore } from './storage/open-store.js';
export { IDLE_TIMEOUT_SECONDS, RETRY_SECONDS, type StoreSettings } from './storage/settings.js';
export type { Advice, LockedType, ObjectInfo, ObjectType, Range, Store } from './storage/store.js';
export { type Time, timeFromMillis } from './time/time.js';
