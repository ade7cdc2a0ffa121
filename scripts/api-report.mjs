// The declarations of all that the package exports, in docs/api.txt, so that a change of the API shows in review.
// `--write` writes the file; without it a difference is an error. Reads what `npm run build` has made.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const REPORT = 'docs/api.txt';
const EXPORTS = /^export (?:type )?\{([^}]*)\} from '(.+)\.js';$/gm;

process.chdir(new URL('..', import.meta.url).pathname);
const report = `${exportsOf('build/src/index.d.ts').sort(byName).map(declaration).join('\n\n')}\n`;
if (process.argv.includes('--write')) writeFileSync(REPORT, report);
else if (readFileSync(REPORT, 'utf8') !== report) {
  console.error(`${REPORT} is out of date: node scripts/api-report.mjs --write`);
  process.exitCode = 1;
}

/** What index.d.ts exports: the name outside and inside, and the file. */
function exportsOf(index) {
  return [...readFileSync(index, 'utf8').matchAll(EXPORTS)].flatMap(([, list, file]) =>
    list
      .split(',')
      .filter((item) => item.trim() !== '')
      .map((item) => {
        const [inner, outer = inner] = item
          .trim()
          .replace(/^type /, '')
          .split(' as ');
        return { inner, outer, file: join('build/src', `${file}.d.ts`) };
      }),
  );
}

function byName(a, b) {
  return a.outer < b.outer ? -1 : 1;
}

function declaration({ inner, outer, file }) {
  const source = readFileSync(file, 'utf8');
  const start = new RegExp(`^export (?:declare )?(?:abstract )?(?:\\w+|async function\\*?) ${inner}\\b`, 'm').exec(
    source,
  );
  if (start === null) throw new Error(`${file}: no declaration of ${inner}`);
  // A declaration goes on to the next one that begins a line.
  const rest = source.slice(start.index);
  const end = /\n(?=export |\/\*\*|declare |interface |type |const |\/\/#)/.exec(rest)?.index ?? rest.length;
  const text = rest
    .slice(0, end)
    .replaceAll(/^ *(\/\*\*.*\*\/|\/\*\*[\s\S]*?\*\/)\n/gm, '')
    .trim();
  return outer === inner ? text : `${text}\n// exported as ${outer}`;
}
