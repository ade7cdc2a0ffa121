/** Where one program's run takes place; every folder is the run's own. */
export interface Place {
  /** The program's HOME: caches and configuration. */
  readonly home: string;
  /** A folder, or a place on a server that varve and restic write alike. */
  readonly repository: string;
  /** What else of the environment it takes to get there. */
  readonly credentials?: Readonly<Record<string, string>>;
  /** A file with the password. */
  readonly password: string;
}

/** A command to run. */
export interface Step {
  readonly argv: readonly string[];
  readonly folder?: string;
}

/** A backup program with its default settings. Every snapshot is of one absolute folder. */
export interface Program {
  readonly name: string;
  readonly version: string;
  /** What its times have to be read with. */
  readonly note?: string;
  readonly losesHardLinks?: boolean;
  /** Added to the few variables that all programs get. */
  environment(place: Place): Record<string, string>;
  init(place: Place): readonly Step[];
  /** @param label unique in the repository */
  backup(place: Place, source: string, label: string): Step;
  /** Of the snapshot with this label, the newest, into an empty folder. */
  restore(place: Place, source: string, label: string, target: string): Step;
  /** Where the source's content is after such a restore. */
  restored(source: string, target: string): string;
  /** Missing where it is not compared. */
  readonly upkeep?: Upkeep;
  /** Shows snapshots as folders, `snapshots/latest` among them, until it is told to end. Missing where it is not compared. */
  mount?(place: Place, mountpoint: string): Step;
}

/** What is done to a repository now and then. */
export interface Upkeep {
  /** Removes all snapshots but the newest. */
  forget(place: Place, keep: number): Step;
  /** Removes what no snapshot needs, with no time of grace. */
  prune(place: Place): Step;
  /** Reads and verifies all that is stored. */
  check(place: Place): Step;
}
