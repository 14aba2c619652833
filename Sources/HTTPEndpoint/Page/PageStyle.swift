// PageStyle: how the page looks, light or dark as the reader's system does.

enum PageStyle {
    static let sheet = """
        :root { color-scheme: light dark; --ground: #fbfbfa; --text: #1f2328; --soft: #656d76; --line: #d8dce1; --head: #f0f1f2;
          --good: #1a7f37; --warning: #8a5a00; --warning-ground: #fff4d6; --bad: #b3261e; --bad-ground: #fde7e5; --good-ground: #e6f4ea; }
        @media (prefers-color-scheme: dark) { :root { --ground: #14171a; --text: #e2e5e9; --soft: #98a1ab; --line: #343a41; --head: #1d2125;
          --good: #6bc98a; --warning: #e5b455; --warning-ground: #362b10; --bad: #ff8f85; --bad-ground: #3d1a17; --good-ground: #14301d; } }
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 1.5rem; max-width: 80rem; background: var(--ground); color: var(--text);
          font: 15px/1.45 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
        header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1rem; }
        h1 { margin: 0; font-size: 1.5rem; }
        h2 { margin: 1.6rem 0 0; font-size: 1.05rem; }
        .note { margin: .1rem 0 .5rem; color: var(--soft); }
        .verdict { margin: .8rem 0 0; padding: .6rem 1rem; border-left: .3rem solid; border-radius: .2rem; font-weight: 600; list-style: none; }
        .verdict.good { background: var(--good-ground); color: var(--good); }
        .verdict.warning { background: var(--warning-ground); color: var(--warning); }
        .verdict.bad { background: var(--bad-ground); color: var(--bad); }
        .wide { overflow-x: auto; }
        table { border-collapse: collapse; min-width: 36rem; font-variant-numeric: tabular-nums; }
        th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
        th { background: var(--head); color: var(--soft); font-weight: 600; white-space: nowrap; }
        td { max-width: 34rem; overflow-wrap: break-word; }
        @media (max-width: 40rem) { body { padding: .8rem; } table { min-width: 100%; } }
        th.number, td.number { text-align: right; white-space: nowrap; }
        td.good, li.good { color: var(--good); }
        td.warning, li.warning { color: var(--warning); font-weight: 600; }
        td.bad, li.bad { color: var(--bad); font-weight: 600; }
        """
}
