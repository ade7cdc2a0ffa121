import { Buffer } from 'node:buffer';
import type { StoredSnapshot } from '../../repository/snapshots/snapshots.js';
import { placesOf } from './templates.js';

export interface ViewFolder {
  readonly kind: 'folder';
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

export type ViewEntry = ViewFolder | ViewSnapshot | ViewLink;

export const LATEST = 'latest';

const newFolder = (): ViewFolder => ({ kind: 'folder', children: new Map() });

/**
 * The folders that snapshots are seen in.
 *
 * @param snapshots oldest first: of two with one name, the later gets `-1`, so that names stay when others come
 * @param templates each as `placesOf` takes it
 * @param linkLatest whether the newest of each folder gets a link that calls it the latest
 */
export function snapshotView(
  snapshots: readonly StoredSnapshot[],
  templates: readonly string[],
  timeTemplate: string,
  linkLatest = true,
): ViewFolder {
  const root = newFolder();
  const latest = new Map<ViewFolder, { name: string; stored: StoredSnapshot }>();
  for (const template of templates) {
    for (const name of fixedFolders(template)) folderIn(root, name);
    for (const stored of snapshots) {
      for (const place of placesOf(template, timeTemplate, stored)) {
        const folder = folderIn(root, place.folders);
        const name = freeName(folder, place.name);
        folder.children.set(name, { kind: 'snapshot', stored });
        if (place.isTime && linkLatest) latest.set(folder, { name, stored });
      }
    }
  }
  for (const [folder, { name, stored }] of latest)
    folder.children.set(freeName(folder, LATEST), { kind: 'link', target: name, stored });
  return root;
}

/** The folders of a template up to what differs between snapshots: they are there without any. */
function fixedFolders(template: string): string[][] {
  const bytes = Buffer.from(template).toString('latin1');
  const names = bytes.split('/').filter((name) => name !== '' && name !== '.');
  const end = names.findIndex((name) => name.includes('%'));
  const fixed = end < 0 ? names.slice(0, -1) : names.slice(0, end);
  return fixed.length === 0 || fixed.includes('..') ? [] : [fixed];
}

function folderIn(root: ViewFolder, names: readonly string[]): ViewFolder {
  let folder = root;
  for (const wanted of names) {
    let name = wanted;
    for (let number = 1; ; number++) {
      const child = folder.children.get(name);
      if (child === undefined || child.kind === 'folder') break;
      name = `${wanted}-${number}`;
    }
    const there = folder.children.get(name);
    const child = there?.kind === 'folder' ? there : newFolder();
    folder.children.set(name, child);
    folder = child;
  }
  return folder;
}

function freeName(folder: ViewFolder, wanted: string): string {
  let name = wanted;
  for (let number = 1; folder.children.has(name); number++) name = `${wanted}-${number}`;
  return name;
}

/** What is at a path of names; undefined when nothing is. */
export function viewAt(root: ViewFolder, names: readonly string[]): ViewEntry | undefined {
  let entry: ViewEntry | undefined = root;
  for (const name of names) entry = entry?.kind === 'folder' ? entry.children.get(name) : undefined;
  return entry;
}
