// Bundles charts.js into charts.min.js and gathers the licences of what went
// into it: node build.mjs [FOLDER]. Run by build.sh.
import { build } from "esbuild";
import { readFileSync, readdirSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const out = process.argv[2] ?? ".";
const result = await build({
  entryPoints: ["charts.js"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "rdbcharts",
  charset: "ascii", // the page may be read in any encoding
  target: "es2020",
  legalComments: "none", // NOTICES.txt has them whole
  metafile: true,
  outfile: join(out, "charts.min.js"),
});

// What was truly bundled, by its package.
const packages = new Set();
for (const path of Object.keys(result.metafile.inputs)) {
  const found = path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) packages.add(found[1]);
}
let text = "This page contains parts of the following programs.\n";
for (const name of [...packages].sort()) {
  const dir = join("node_modules", name);
  const about = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
  text += `\n==== ${name} ${about.version} (${about.license})\n`;
  const files = readdirSync(dir).filter((f) => /^(licen[cs]e|notice)/i.test(f) && !/s$/.test(f)).sort();
  if (files.length === 0) throw new Error(`${name} has no licence file`);
  const more = join(dir, "licenses");
  if (existsSync(more)) files.push(...readdirSync(more).sort().map((f) => join("licenses", f)));
  for (const f of files) text += `\n---- ${f.replaceAll("\\", "/")}\n\n${readFileSync(join(dir, f), "utf8").trim()}\n`;
}
writeFileSync(join(out, "NOTICES.txt"), text.replaceAll("\r\n", "\n"));
