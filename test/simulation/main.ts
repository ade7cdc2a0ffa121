import { simulate } from './run.js';
const first = Number(process.argv[2] ?? 0), n = Number(process.argv[3] ?? 10);
const t = performance.now(); let steps = 0, bad = 0;
const ends = new Map<string, number>();
for (let s = first; s < first + n; s++) {
  const o = await simulate(s);
  steps += o.trace.length;
  if (process.argv[4]) console.log(o.trace.join('\n'));
  for (const l of o.trace) { const m = /(backup|prune|forget|remove|tag)\.\d+: (ends|fails: [a-z-]+|fails|is killed)/.exec(l); if (m && !/: fails: (put|get|list|stat|remove|read|listed)/.test(l)) { const k = `${m[1]} ${m[2]}`; ends.set(k, (ends.get(k) ?? 0) + 1);} }
  if (o.failure) { bad++; console.log('seed', s, o.failure); }
}
console.log({ msPerRun: (performance.now() - t) / n, steps: steps / n, bad });
console.log([...ends].sort());
