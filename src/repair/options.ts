// Options, events and results of the repairs.
// Only types; each repair has a file of its own.
export interface RepairIndexOptions {
  /** Rewrites the whole index from the packs. */
  readonly readAllPacks?: boolean;
  /** Changes nothing. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: RepairIndexEvent) => void;
}

export type RepairIndexEvent =
  /** Directories of packs that were read. */
  | { readonly kind: 'pack'; readonly done: number; readonly total: number }
  /** Packs that were listed by their directories, and are now read whole. */
  | { readonly kind: 'read'; readonly done: number; readonly total: number }
  /** An index object that cannot be read. */
  | { readonly kind: 'damaged-index'; readonly message: string }
  /** A pack that the index lists and the store does not have. */
  | { readonly kind: 'missing'; readonly name: string }
  /** A pack that the index described wrongly. */
  | { readonly kind: 'corrected'; readonly name: string }
  /** A pack that is damaged itself. */
  | { readonly kind: 'damaged-pack'; readonly name: string; readonly message: string }
  /** A pack that could not be read. */
  | { readonly kind: 'unreadable-pack'; readonly name: string; readonly message: string };

/** What was found, and what was done unless it is a dry run. */
export interface RepairIndexResult {
  /** Packs in the store. */
  readonly packs: number;
  /** Packs that no index object listed. */
  readonly added: number;
  /** Packs that the index described wrongly. */
  readonly corrected: number;
  /** Packs that are gone. */
  readonly missing: number;
  /** Names of packs that are damaged. */
  readonly damagedPacks: readonly string[];
  /** Names of packs that could not be read. If there are any, nothing is changed. */
  readonly unreadablePacks: readonly string[];
  /** Index objects that cannot be read. */
  readonly damagedObjects: number;
  /** Names of the index objects that were, or would be, replaced. */
  readonly replaced: readonly string[];
  /** Names of the index objects that were written. */
  readonly written: readonly string[];
  /** Packs that were listed anew and read whole: backups can rely on them. */
  readonly vouched: number;
  /** Packs on which backups cannot rely: this key cannot open them, or they are damaged. */
  readonly unvouched: number;
}

export interface RepairPacksOptions {
  /** Saves all bytes of a damaged pack before the pack is removed. */
  readonly keepCopy: (name: string, bytes: Uint8Array) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: RepairPacksEvent) => void;
}

export type RepairPacksEvent =
  /** A sound pack; it stays. */
  | { readonly kind: 'sound'; readonly name: string }
  /** A pack that was damaged or missing, and matches its name again. */
  | { readonly kind: 'healed'; readonly name: string; readonly by: 'parity' | 'cache' }
  /** A pack that could not be read whole: it stays, and nothing is changed. */
  | { readonly kind: 'unreadable'; readonly name: string; readonly message: string }
  /** A pack that is missing: nothing of it can be saved. */
  | { readonly kind: 'missing'; readonly name: string }
  | { readonly kind: 'salvaged'; readonly name: string; readonly blobs: number; readonly lost: number };

export interface RepairPacksResult {
  /** Names of the packs that were removed. */
  readonly removed: readonly string[];
  /** Names of the packs that match their names again. */
  readonly healed: readonly string[];
  /** Names of the packs that could not be read whole, and stay. */
  readonly unreadable: readonly string[];
  /** Names of the packs that are gone. */
  readonly missing: readonly string[];
  /** Blobs that were stored again. */
  readonly salvaged: number;
  /** Ids of blobs that no pack holds any more, in hex. */
  readonly lost: readonly string[];
}

export interface RecoverOptions {
  /** The host of the new snapshot. */
  readonly host: string;
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly program: string;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: RecoverEvent) => void;
}

export type RecoverEvent =
  /** A snapshot whose references were read. */
  | { readonly kind: 'snapshot'; readonly done: number; readonly total: number }
  /** An object that could not be read: its contents and references are unknown. */
  | { readonly kind: 'unreadable'; readonly message: string };

export interface RecoverResult {
  /** None, one or two. */
  readonly snapshots: readonly RecoveredSnapshot[];
  /** Objects that could not be read: there may be more to recover. */
  readonly unreadable: number;
}

/** A snapshot of directories that nothing referred to. */
export interface RecoveredSnapshot {
  readonly id: string;
  readonly directories: number;
  /** Whether nothing of them is lost. */
  readonly isWhole: boolean;
}
