/** The look of the report's page: light and dark, from a narrow phone to a wide screen, and on paper. */

export const STYLE = `
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #1a2028; --soft: #566070; --line: #dde1e7;
  --accent: #2456c8; --good: #1d7a46; --bad: #bd2b31; --warning: #8f5a00; --none: #7a8494; --code: #eef0f4;
  --good-bar: #53b780; --bad-bar: #e5686d; --cut-bar: #d79a3a; --live-bar: #5b8def; --none-bar: #b3bac6; --hold-bar: #8365cf; --on-bar: #10151c; --shade: #8d97a6; }
@media (prefers-color-scheme: dark) { :root { --ground: #11151b; --card: #191f28; --ink: #e6e9ee; --soft: #9ba6b5;
  --line: #2c3542; --accent: #8fb2ff; --good: #6fcf97; --bad: #ff8f8f; --warning: #e9b35c; --none: #8c97a8; --code: #232b37;
  --good-bar: #4fae7b; --bad-bar: #e07378; --cut-bar: #cf9a48; --live-bar: #6f9bef; --none-bar: #7f8a9b; --hold-bar: #a58cf0; --shade: #556274; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
header, main, footer { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 36px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 8px; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 0 0 12px; letter-spacing: -.005em; }
h2 .count { color: var(--soft); font-weight: 400; font-size: 1rem; margin-left: 6px; }
p { margin: 0 0 8px; }
.lead { font-size: 1.08rem; }
.soft, footer { color: var(--soft); }
footer { padding-top: 8px; padding-bottom: 40px; font-size: .9rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 20px 0 4px; padding: 0;
  list-style: none; }
.tiles a { display: block; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px;
  color: inherit; text-decoration: none; height: 100%; }
.tiles a:hover, .tiles a:focus-visible { border-color: var(--accent); }
.tiles b { display: block; font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }
.tiles .long { font-size: 1.05rem; line-height: 1.4; }
.tiles span { color: var(--soft); font-size: .92rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px; margin: 20px 0; }
.quiet { padding: 12px 20px; }
.quiet h2 { display: inline; font-size: 1rem; margin-right: 10px; }
.quiet p { display: inline; color: var(--soft); }
.entries { list-style: none; margin: 0; padding: 0; }
.entries > li { border-left: 4px solid var(--line); padding: 2px 0 2px 14px; margin: 0 0 16px; overflow-wrap: anywhere; }
.entries > li:last-child { margin-bottom: 0; }
.entries > .good { border-color: var(--good); }
.entries > .bad { border-color: var(--bad); }
.entries > .warning { border-color: var(--warning); }
.entries .short { margin-bottom: 6px; }
.head { font-weight: 600; margin: 0; }
.short .head { font-weight: 400; }
.detail { margin: 2px 0 0; color: var(--soft); }
.flag { color: var(--warning); font-weight: 500; }
code, pre { font: .88em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
code { background: var(--code); border-radius: 4px; padding: 1px 5px; }
.command { margin: 6px 0 0; }
.command code { border: 1px solid var(--line); padding: 3px 8px; color: var(--accent); user-select: all; -webkit-user-select: all; }
.command code::before { content: "$ "; color: var(--soft); }
pre { background: var(--code); border-radius: 8px; padding: 10px 12px; margin: 8px 0; overflow-x: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; }
/* A shade at each edge beyond which there is more: what moves along covers it at the ends. */
.scroll { overflow-x: auto; background:
  linear-gradient(to right, var(--card) 16px, transparent) 0 0 / 40px 100% no-repeat local,
  linear-gradient(to left, var(--card) 16px, transparent) 100% 0 / 40px 100% no-repeat local,
  linear-gradient(to right, var(--shade), transparent) 0 0 / 16px 100% no-repeat scroll,
  linear-gradient(to left, var(--shade), transparent) 100% 0 / 16px 100% no-repeat scroll; }
svg { display: block; width: 100%; min-width: 700px; height: auto; font-family: inherit; }
svg text { font-size: 13px; fill: var(--soft); }
svg .name { fill: var(--ink); }
svg .label { fill: var(--on-bar); font-size: 12px; }
.lane { stroke: var(--line); stroke-width: 1; }
.tick { stroke: var(--line); stroke-width: 1; stroke-dasharray: 2 4; }
.bar.good { fill: var(--good-bar); }
.bar.bad { fill: var(--bad-bar); }
.bar.cut { fill: var(--cut-bar); }
.bar.live { fill: var(--live-bar); }
.bar.none { fill: var(--none-bar); }
.bar.hold { fill: var(--hold-bar); }
.band { fill: var(--hold-bar); fill-opacity: .13; }
.mark { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 5 3; }
.pause { fill: var(--card); fill-opacity: .62; }
.column { fill: var(--live-bar); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; padding: 0; margin: 10px 0; color: var(--soft);
  font-size: .9rem; }
.legend svg { display: inline-block; width: 14px; min-width: 0; height: 14px; vertical-align: -2px; margin-right: 6px; }
.legend .pause { stroke: var(--soft); }
details { margin: 12px 0; }
summary { cursor: pointer; color: var(--accent); }
table { border-collapse: collapse; width: 100%; margin: 8px 0; font-size: .94rem; }
th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: break-word; }
caption { text-align: left; padding: 8px 0 0; }
th { font-weight: 600; color: var(--soft); }
td.number, th.number { text-align: right; white-space: nowrap; padding-right: 12px; font-variant-numeric: tabular-nums; }
td.cost, th.cost { text-align: right; min-width: 5em; font-variant-numeric: tabular-nums; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (max-width: 900px) { .scroll > svg text { font-size: 16px; } .scroll > svg .label { font-size: 13px; } }
@media (max-width: 600px) { header, main, footer { padding-left: 12px; padding-right: 12px; } header { padding-top: 20px; }
  section { padding: 14px; } .quiet { padding: 10px 14px; } h1 { font-size: 1.4rem; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 8px; } .tiles li:last-child:nth-child(odd) { grid-column: 1 / -1; } .tiles a { padding: 10px 12px; } }
@media print { :root { --ground: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --code: #f2f2f2; }
  body { font-size: 11pt; } header, main, footer { max-width: none; padding: 0; } .entries > li, tr { break-inside: avoid; }
  section { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: 12px 0; } .scroll { overflow: visible; background: none; }
  svg { min-width: 0; } svg, pre, code { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
`;
