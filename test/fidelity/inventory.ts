import type { Buffer } from 'node:buffer';
import { output, outputFor, splitZero } from './commands.js';
import { type Stretch, withStretches } from './stretches.js';

/** What is known of one path, by what it is called. */
export type Facts = Map<string, string>;

/** All that the system's own programs tell of a tree, by path: bytes as characters, the root is an empty one. */
export type Inventory = ReadonlyMap<string, Facts>;

const FIND = ['path', 'type', 'mode', 'owner', 'group', 'size', 'blocks', 'links', 'time', 'inode', 'target'] as const;
const FORMAT = '%P\\0%y\\0%m\\0%U\\0%G\\0%s\\0%b\\0%n\\0%T@\\0%D:%i\\0%l\\0';

export function inventory(root: string | Buffer): Inventory {
  const found = withStretches(root, [''], ([{ directory = '' } = {}]) => listTree(directory));
  withStretches(root, [...found.keys()], (stretches) => {
    for (const stretch of stretches) askPrograms(stretch, found);
  });
  return found;
}

function listTree(directory: string): Map<string, Facts> {
  const found = new Map<string, Facts>();
  const links = new Map<string, string>();
  const words = splitZero(output(directory, ['find', '.', '-printf', FORMAT]));
  const rows: Record<(typeof FIND)[number], string>[] = [];
  for (let at = 0; at < words.length; at += FIND.length)
    rows.push(Object.fromEntries(FIND.map((name, i) => [name, words[at + i] ?? ''])) as (typeof rows)[number]);
  rows.sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path, inode, size, blocks, links: count, target, ...facts } of rows) {
    const all: Facts = new Map(Object.entries(facts));
    if (facts.type === 'f') all.set('size', size).set('blocks', blocks);
    if (facts.type === 'l') all.set('target', target);
    if (facts.type !== 'd') all.set('links', count);
    if (facts.type !== 'd' && count !== '1') {
      if (!links.has(inode)) links.set(inode, path);
      all.set('linked to', links.get(inode) as string);
    }
    found.set(path, all);
  }
  return found;
}

/** Asks about all paths of one stretch. */
function askPrograms({ directory, prefix, paths }: Stretch, found: ReadonlyMap<string, Facts>): void {
  const factsOf = (path: string): Facts => {
    const facts = found.get(`${prefix}${path}`);
    if (facts === undefined) throw new Error(`a program tells of ${JSON.stringify(path)}, which find did not list`);
    return facts;
  };
  const ofType = (types: string): string[] => paths.filter((path) => types.includes(factsOf(path).get('type') ?? '?'));
  const having = (...names: readonly string[]): string[] =>
    paths.filter((path) => names.some((name) => factsOf(path).has(name)));
  const note = (what: string, names: readonly string[], answers: readonly string[]): void => {
    if (names.length !== answers.length)
      throw new Error(`${answers.length} answers to ${names.length} questions for ${what}`);
    for (const [i, name] of names.entries()) factsOf(name).set(what, answers[i] as string);
  };
  const devices = ofType('bc');
  note('device', devices, splitZero(outputFor(directory, ['stat', '--printf', '%Hr,%Lr\\0', '--'], devices)));
  const files = ofType('f');
  note('sha256', files, sumsOf(directory, files));
  readAttributes(directory, paths, factsOf);
  const controlled = having('xattr system.posix_acl_access', 'xattr system.posix_acl_default');
  note('ACL', controlled, aclsOf(directory, controlled));
  const capable = having('xattr security.capability');
  note('capabilities', capable, capabilitiesOf(directory, capable));
}

const sumsOf = (directory: string, files: readonly string[]): string[] =>
  splitZero(outputFor(directory, ['sha256sum', '-z', '--'], files)).map((line) => line.slice(0, 64));

const aclsOf = (directory: string, paths: readonly string[]): string[] =>
  outputFor(directory, ['getfacl', '-n', '-p', '--'], paths)
    .split('\n\n')
    .slice(0, -1)
    .map((block) => block.slice(block.indexOf('\n') + 1));

function capabilitiesOf(directory: string, files: readonly string[]): string[] {
  const tell = ['-n', '1', 'sh', '-c', 'getcap -n "$1" && printf "\\0"', 'sh'];
  const lines = splitZero(outputFor(directory, tell, files));
  return lines.map((line, i) => line.slice(`./${files[i]}`.length).trim());
}

/** getfattr escapes what could be taken for its own signs, so its blocks and lines can be told apart. */
function readAttributes(directory: string, paths: readonly string[], factsOf: (path: string) => Facts): void {
  const text = outputFor(directory, ['getfattr', '-d', '-m', '-', '-e', 'hex', '-h', '--absolute-names', '--'], paths);
  for (const block of text.split('\n\n').slice(0, -1)) {
    const [head = '', ...lines] = block.split('\n');
    const path = unescapeOctal(head.slice('# file: ./'.length));
    for (const line of lines) {
      const cut = line.indexOf('=');
      factsOf(path).set(`xattr ${unescapeOctal(line.slice(0, cut))}`, line.slice(cut + 1));
    }
  }
}

const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
