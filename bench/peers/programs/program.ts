/** The directories of one program's run; no other run uses them. */
export interface Place {
  /** The program's HOME: caches and configuration. */
  readonly home: string;
  /** A directory, or a location on a server in the form that both varve and restic take. */
  readonly repository: string;
  /** Environment variables that the location needs. */
  readonly credentials?: Readonly<Record<string, string>>;
  /** A file with the password. */
  readonly password: string;
}

/** A command to run. */
export interface Step {
  readonly argv: readonly string[];
  readonly directory?: string;
}

/** A backup program with its default settings. Every snapshot is of one absolute directory. */
export interface Program {
  readonly name: string;
  readonly version: string;
  /** A note for readers of its times. */
  readonly note?: string;
  readonly losesHardLinks?: boolean;
  /** Environment variables beyond the few that all programs get. */
  environment(place: Place): Record<string, string>;
  init(place: Place): readonly Step[];
  /** @param label unique in the repository */
  backup(place: Place, source: string, label: string): Step;
  /** Restores the newest snapshot with this label into an empty directory. */
  restore(place: Place, source: string, label: string, target: string): Step;
  /** The directory that holds the source's content after such a restore. */
  restored(source: string, target: string): string;
  /** Missing for a program that is not compared here. */
  readonly upkeep?: Upkeep;
  /** Shows snapshots as directories, with `snapshots/latest`, until a signal ends it. Missing for a program that is not compared here. */
  mount?(place: Place, mountpoint: string): Step;
}

/** Maintenance of a repository. */
export interface Upkeep {
  /** Removes all snapshots but the newest. */
  forget(place: Place, keep: number): Step;
  /** Removes what no snapshot needs, without a grace time. */
  prune(place: Place): Step;
  /** Reads and verifies all stored data. */
  check(place: Place): Step;
}
