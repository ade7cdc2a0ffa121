// The directories in which snapshots appear.
// Names come from templates.ts; nodes and attributes are left to ../filesystem/view-nodes.ts.

import { Buffer } from 'node:buffer';
import type { StoredSnapshot } from '../../repository/snapshots/snapshots.js';
import { viewPathsOf } from './templates.js';

export interface ViewDirectory {
  readonly kind: 'directory';
  /** Children by name. Names are bytes as latin1. */
  readonly children: Map<string, ViewEntry>;
}

export interface ViewSnapshot {
  readonly kind: 'snapshot';
  readonly stored: StoredSnapshot;
}

/** A link to a sibling. */
export interface ViewLink {
  readonly kind: 'link';
  readonly target: string;
  readonly stored: StoredSnapshot;
}

export type ViewEntry = ViewDirectory | ViewSnapshot | ViewLink;

export const LATEST = 'latest';

const newDirectory = (): ViewDirectory => ({ kind: 'directory', children: new Map() });

/**
 * Builds the directories in which snapshots appear.
 *
 * @param snapshots oldest first. Of two with the same name the later gets `-1`, so that names stay when snapshots are added
 * @param templates see `viewPathsOf`
 * @param linkLatest whether each directory of times gets a link `latest` to its newest snapshot
 */
export function snapshotView(
  snapshots: readonly StoredSnapshot[],
  templates: readonly string[],
  timeTemplate: string,
  linkLatest = true,
): ViewDirectory {
  const root = newDirectory();
  const latest = new Map<ViewDirectory, { name: string; stored: StoredSnapshot }>();
  for (const template of templates) {
    for (const name of fixedDirectories(template)) directoryIn(root, name);
    for (const stored of snapshots) {
      for (const path of viewPathsOf(template, timeTemplate, stored)) {
        const directory = directoryIn(root, path.directories);
        const name = freeName(directory, path.name);
        directory.children.set(name, { kind: 'snapshot', stored });
        if (path.isTime && linkLatest && stored.doubt === undefined) latest.set(directory, { name, stored });
      }
    }
  }
  for (const [directory, { name, stored }] of latest)
    directory.children.set(freeName(directory, LATEST), { kind: 'link', target: name, stored });
  return root;
}

/** The leading directories of a template that do not depend on a snapshot. They exist even without snapshots. */
function fixedDirectories(template: string): string[][] {
  const bytes = Buffer.from(template).toString('latin1');
  const names = bytes.split('/').filter((name) => name !== '' && name !== '.');
  const end = names.findIndex((name) => name.includes('%'));
  const fixed = end < 0 ? names.slice(0, -1) : names.slice(0, end);
  return fixed.length === 0 || fixed.includes('..') ? [] : [fixed];
}

function directoryIn(root: ViewDirectory, names: readonly string[]): ViewDirectory {
  let directory = root;
  for (const wanted of names) {
    let name = wanted;
    for (let number = 1; ; number++) {
      const child = directory.children.get(name);
      if (child === undefined || child.kind === 'directory') break;
      name = `${wanted}-${number}`;
    }
    const existing = directory.children.get(name);
    const child = existing?.kind === 'directory' ? existing : newDirectory();
    directory.children.set(name, child);
    directory = child;
  }
  return directory;
}

function freeName(directory: ViewDirectory, wanted: string): string {
  let name = wanted;
  for (let number = 1; directory.children.has(name); number++) name = `${wanted}-${number}`;
  return name;
}

/** The entry at a path; undefined when there is none. */
export function viewAt(root: ViewDirectory, names: readonly string[]): ViewEntry | undefined {
  let entry: ViewEntry | undefined = root;
  for (const name of names) entry = entry?.kind === 'directory' ? entry.children.get(name) : undefined;
  return entry;
}
