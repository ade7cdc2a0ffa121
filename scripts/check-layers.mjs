// Fails on each import in src/ that layers.mjs does not list, and on a table in docs/architecture.md that is not its own.
// `--write` writes that table.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { LAYERS } from './layers.mjs';

const DOCUMENT = 'docs/architecture.md';
const TABLE = /(?<=<!-- layers -->\n)[\s\S]*?(?=<!-- end -->)/;
/** Static, dynamic, of types, and files that a worker thread starts with. */
const IMPORTS = /(?:^import |\bfrom |\bimport\()'([^'\n]+)'|new URL\('([^'\n]+\.js)', import\.meta\.url\)/gm;
const TOUCHES = {
  env: /\bprocess\.env\b/,
  flags: /\bsetFlagsFromString\(/,
  signals: /\bprocess\.(on|once|off)\('(SIG|exit|uncaught|unhandled)/,
  exit: /\bprocess\.(exit\(|exitCode|abort\()/,
};

process.chdir(new URL('..', import.meta.url).pathname);
const files = readdirSync('src', { recursive: true }).filter((path) => path.endsWith('.ts'));
const problems = [...files.flatMap(problemsOf), ...unusedRows(), ...problemsOfTable(process.argv.includes('--write'))];
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

function problemsOf(path) {
  const [name, row] = rowOf(path);
  if (row === undefined) return [`src/${path}: ${dirname(path)} is not listed in scripts/layers.mjs`];
  const source = readFileSync(join('src', path), 'utf8');
  const imports = [...source.matchAll(IMPORTS)].map(([, module, worker]) => module ?? worker);
  const refused = imports.filter((module) => !mayImport(path, row, module));
  const touched = Object.keys(TOUCHES).filter((kind) => TOUCHES[kind].test(source) && !row.process?.includes(kind));
  return [
    ...refused.map((module) => `src/${path}: ${name} may not import ${module}`),
    ...touched.map((kind) => `src/${path}: ${name} may not touch the process (${kind}): ${TOUCHES[kind]}`),
  ];
}

/** The row of the path itself, else of the nearest directory that has one. */
function rowOf(path) {
  for (let name = path; name !== '.'; name = dirname(name))
    if (Object.hasOwn(LAYERS, name)) return [name, LAYERS[name]];
  return ['', undefined];
}

function mayImport(path, { imports, packages = [], pure = false }, module) {
  if (module.startsWith('node:')) return !pure || module === 'node:buffer';
  if (!module.startsWith('.')) return packages.some((name) => matches(name, module));
  const target = join(dirname(path), module);
  if (target.startsWith('../wasm/')) return true;
  return dirname(target) === dirname(path) || imports.some((name) => matches(name, dirname(target)));
}

/** `a/**` is a and all below it. */
function matches(pattern, name) {
  return pattern.endsWith('/**') ? `${name}/`.startsWith(pattern.slice(0, -2)) : pattern === name;
}

function unusedRows() {
  const used = new Set(files.map((path) => rowOf(path)[0]));
  return Object.keys(LAYERS).flatMap((name) =>
    used.has(name) ? [] : [`scripts/layers.mjs: nothing is in src/${name}`],
  );
}

function problemsOfTable(write) {
  const document = readFileSync(DOCUMENT, 'utf8');
  const table = ['| `src/` | what is in it | may import |', '| --- | --- | --- |', ...tableRows()].join('\n');
  if (!TABLE.test(document)) return [`${DOCUMENT}: no <!-- layers --> … <!-- end -->`];
  if (write) writeFileSync(DOCUMENT, document.replace(TABLE, `${table}\n`));
  const isCurrent = write || document.match(TABLE)[0] === `${table}\n`;
  return isCurrent ? [] : [`${DOCUMENT}: its table of layers is out of date: node scripts/check-layers.mjs --write`];
}

/** A row for each directory of src/, which says what of those above it may not be imported. */
function tableRows() {
  const above = [];
  return Object.entries(LAYERS).flatMap(([name, { what, imports }]) => {
    if (what === undefined) return [];
    const top = new Set(imports.map((each) => each.split('/')[0]).filter((each) => each !== name));
    const missing = above.filter((each) => !top.has(each));
    const list = (names) => names.map((each) => `\`${each}\``).join(' ');
    const few = missing.length < top.size;
    const all = missing.length === 0 ? 'all above' : `all above but ${list(missing)}`;
    above.push(name);
    return [`| \`${name}\` | ${what} | ${top.size === 0 ? 'nothing' : few ? all : list([...top])} |`];
  });
}
