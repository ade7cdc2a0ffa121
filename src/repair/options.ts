export interface RepairIndexOptions {
  /** Writes the whole index anew, whatever it says. */
  readonly readAllPacks?: boolean;
  /** Changes nothing. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: RepairIndexEvent) => void;
}

export type RepairIndexEvent =
  /** Directories of packs that were read. */
  | { readonly kind: 'pack'; readonly done: number; readonly total: number }
  /** An index object that cannot be read. */
  | { readonly kind: 'damaged-index'; readonly message: string }
  /** A pack that the index lists and the store does not have. */
  | { readonly kind: 'missing'; readonly name: string }
  /** A pack that is not as the index says. */
  | { readonly kind: 'corrected'; readonly name: string }
  /** A pack that is damaged itself. */
  | { readonly kind: 'damaged-pack'; readonly name: string; readonly message: string }
  /** A pack that could not be read. */
  | { readonly kind: 'unreadable-pack'; readonly name: string; readonly message: string };

/** What was found, and, unless it is a dry run, done. */
export interface RepairIndexResult {
  /** Packs in the store. */
  readonly packs: number;
  /** Packs that no index object listed. */
  readonly added: number;
  /** Packs that the index spoke otherwise of. */
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
}

export interface RepairPacksOptions {
  /** Keeps the bytes of a damaged pack, all of them, before it is removed. */
  readonly keepCopy: (name: string, bytes: Uint8Array) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: RepairPacksEvent) => void;
}

export type RepairPacksEvent =
  /** A pack with which nothing is wrong; it stays. */
  | { readonly kind: 'sound'; readonly name: string }
  /** A pack that was damaged or gone, and is again what its name says. */
  | { readonly kind: 'healed'; readonly name: string; readonly by: 'parity' | 'cache' }
  /** A pack that could not be read whole: it stays, and nothing is changed. */
  | { readonly kind: 'unreadable'; readonly name: string; readonly message: string }
  /** A pack that is gone: nothing of it can be saved. */
  | { readonly kind: 'missing'; readonly name: string }
  | { readonly kind: 'salvaged'; readonly name: string; readonly blobs: number; readonly lost: number };

export interface RepairPacksResult {
  /** Names of the packs that were removed. */
  readonly removed: readonly string[];
  /** Names of the packs that are again what their names say. */
  readonly healed: readonly string[];
  /** Names of the packs that could not be read whole, and stay. */
  readonly unreadable: readonly string[];
  /** Names of the packs that are gone. */
  readonly missing: readonly string[];
  /** Blobs that were stored anew. */
  readonly salvaged: number;
  /** Ids of blobs that are nowhere any more, in hex. */
  readonly lost: readonly string[];
}

export interface RecoverOptions {
  /** Who makes the snapshot. */
  readonly host: string;
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly program: string;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: RecoverEvent) => void;
}

export type RecoverEvent =
  /** A snapshot that was looked through for what it refers to. */
  | { readonly kind: 'snapshot'; readonly done: number; readonly total: number }
  /** Something that could not be read: what it holds, or refers to, is not known. */
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
