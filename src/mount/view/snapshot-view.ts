import { Buffer } from 'node:buffer';
import type { StoredSnapshot } from '../../repository/snapshots/snapshots.js';
import { placesOf } from './templates.js';

export interface ViewDirectory {
  readonly kind: 'directory';
  /** By name; bytes as latin1. */
  readonly children: Map<string, ViewEntry>;
}

export interface ViewSnapshot {
  readonly kind: 'snapshot';
  readonly stored: StoredSnapshot;
}

/** A link beside what it points to. */
export interface ViewLink {
  readonly kind: 'link';
  readonly target: string;
  readonly stored: StoredSnapshot;
}

export type ViewEntry = ViewDirectory | ViewSnapshot | ViewLink;

export const LATEST = 'latest';

const newDirectory = (): ViewDirectory => ({ kind: 'directory', children: new Map() });

/**
 * The directories that snapshots are seen in.
 *
 * @param snapshots oldest first: of two with one name, the later gets `-1`, so that names stay when others come
 * @param templates each as `placesOf` takes it
 * @param linkLatest whether the newest of each directory gets a link that calls it the latest
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
      for (const place of placesOf(template, timeTemplate, stored)) {
        const directory = directoryIn(root, place.directories);
        const name = freeName(directory, place.name);
        directory.children.set(name, { kind: 'snapshot', stored });
        if (place.isTime && linkLatest) latest.set(directory, { name, stored });
      }
    }
  }
  for (const [directory, { name, stored }] of latest)
    directory.children.set(freeName(directory, LATEST), { kind: 'link', target: name, stored });
  return root;
}

/** The directories of a template up to what differs between snapshots: they are there without any. */
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
    const there = directory.children.get(name);
    const child = there?.kind === 'directory' ? there : newDirectory();
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

/** What is at a path of names; undefined when nothing is. */
export function viewAt(root: ViewDirectory, names: readonly string[]): ViewEntry | undefined {
  let entry: ViewEntry | undefined = root;
  for (const name of names) entry = entry?.kind === 'directory' ? entry.children.get(name) : undefined;
  return entry;
}
