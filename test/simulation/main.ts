import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { FAULTS } from './faults.js';
import { simulateMany } from './many.js';

const HELP = `Simulates backups, copies, forgets, prunes, repairs and others by several hosts, and checks that every snapshot can be restored.

  npm run simulate -- --seeds 100000
  npm run simulate -- --first 868 --seeds 1        one seed again
  npm run simulate -- --seeds 1000 --fault NAME    with something broken on purpose: it must be found

Faults:
${Object.entries(FAULTS)
  .map(([name, { about }]) => `  ${name.padEnd(16)} ${about}`)
  .join('\n')}

Exit codes: 0 all runs passed, and each fault was found; 1 a run failed, or a fault was not found.`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '0' },
    fault: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    help: { type: 'boolean', default: false },
  },
});
const { fault } = values;

async function run(): Promise<number> {
  const started = performance.now();
  const [first, seeds, threads] = [Number(values.first), Number(values.seeds), Number(values.threads)];
  let told = 0;
  const { runs, steps, removed, failures } = await simulateMany({
    first,
    seeds,
    fault,
    threads,
    untilFailure: fault !== undefined,
    onReport: (sofar) => {
      if (sofar.runs < told + 1000) return;
      told = sofar.runs;
      console.log(
        `${sofar.runs} runs, ${sofar.failures.length} failed ${sofar.failures.map(({ seed }) => seed).join(' ')}`.trimEnd(),
      );
    },
  });
  for (const { seed, failure, trace } of failures.slice(0, 1)) {
    const again = `npm run simulate -- --first ${seed} --seeds 1${fault === undefined ? '' : ` --fault ${fault}`}`;
    console.log(`${trace.join('\n')}\n\nseed ${seed}: ${failure}\nto run it again: ${again}`);
  }
  if (failures.length > 1)
    console.log(
      `other seeds that failed: ${failures
        .slice(1)
        .map(({ seed }) => seed)
        .join(', ')}`,
    );
  if (removed > 0)
    console.log(
      `${removed} incomplete snapshots were allowed: their writers were suspended, then killed or cut off, and never reported them`,
    );
  const each = (performance.now() - started) / runs;
  console.log(
    `${runs} runs of ${Math.round(steps / runs)} steps, ${each.toFixed(1)} ms each; ${failures.length} failed`,
  );
  return (failures.length === 0) === (fault === undefined) ? 0 : 1;
}

if (values.help) console.log(HELP);
else if (fault !== undefined && !(fault in FAULTS)) throw new Error(`no such fault: ${fault}\n${HELP}`);
else process.exitCode = await run();
