// Parses every LogQL and TraceQL query of the dashboards with Grafana's published grammars.
//
//   node tests/it/alerts_and_dashboards/queries.mjs FOLDER     FOLDER has node_modules with @grafana/lezer-logql and @grafana/lezer-traceql
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const load = createRequire(join(resolve(process.argv[2]), 'package.json'));
const parsers = {
  loki: load('@grafana/lezer-logql').parser,
  tempo: load('@grafana/lezer-traceql').parser,
};
const stack = join(dirname(fileURLToPath(import.meta.url)), '../../../examples/stack/grafana');

// The values that Grafana inserts before it sends a query.
function filledIn(query) {
  return query
    .replace(/\$__(range|interval|auto)\b/g, '5m')
    .replace(/\$\{__value\.raw\}|\$\{__trace\.traceId\}/g, '0af7651916cd43dd8448eb211c80319c')
    .replace(/\$\{team_label\}/g, 'team_id')
    .replace(/\$\{\w+(:regex)?\}|\$\w+/g, '.*');
}

// Returns the position of the first syntax error, or -1.
function firstError(parser, query) {
  let at = -1;
  parser.parse(query).iterate({
    enter(node) {
      if (node.type.isError && at < 0) at = node.from;
    },
  });
  return at;
}

const queries = [];
const dashboards = join(stack, 'dashboards');
for (const file of readdirSync(dashboards)) {
  for (const panel of JSON.parse(readFileSync(join(dashboards, file), 'utf8')).panels) {
    for (const target of panel.targets ?? []) {
      queries.push([`${file}: ${panel.title}`, target.datasource.type, target.expr ?? target.query]);
    }
  }
}
// Also check the queries in the links between data sources.
const provisioned = readFileSync(join(stack, 'provisioning/datasources/datasources.yaml'), 'utf8');
for (const [, query] of provisioned.matchAll(/(?:expr|query): '(\{.*)'/g)) {
  queries.push(['datasources.yaml', 'loki', query.replaceAll('$$', '$')]);
}

const counts = { loki: 0, tempo: 0 };
let bad = 0;
for (const [place, source, query] of queries) {
  if (!(source in parsers)) continue;
  counts[source] += 1;
  const text = filledIn(query);
  const at = firstError(parsers[source], text);
  if (at >= 0) {
    bad += 1;
    console.error(`${place}: not ${source} from here on: ${text.slice(at)}\n  in ${text}`);
  }
}
// Check that the parsers reject invalid queries.
for (const [source, query] of [['loki', '{a="b"} | | c'], ['tempo', '{ name = }']]) {
  if (firstError(parsers[source], query) < 0) throw new Error(`${query} is parsed as ${source}`);
}
console.log(`${counts.loki} queries of LogQL and ${counts.tempo} of TraceQL, ${bad} bad`);
process.exit(bad > 0 || counts.loki < 20 || counts.tempo < 3 ? 1 : 0);
