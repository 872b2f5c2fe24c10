#!/usr/bin/env node
'use strict';
// CommonJS in syntax that Node 12 parses, on purpose: an old Node gets one clear line, not a stack trace.
(() => {
  const version = process.versions.node.split('.');
  if (Number(version[0]) < 22 || (Number(version[0]) === 22 && Number(version[1]) < 20)) {
    process.stderr.write(
      `gemma-provision needs Node.js 22.20 or newer; this is ${process.version} (${process.execPath}).\n`,
    );
    process.exitCode = 2;
    return;
  }
  const fs = require('node:fs');
  const os = require('node:os');
  const path = require('node:path');
  const root = path.join(__dirname, '..');
  if (process.argv.length === 3 && process.argv[2] === '--version') {
    printVersion();
    return;
  }
  enableCompileCache();
  import('../dist/main.js').then(
    (cli) => cli.main(root),
    (error) => {
      process.stderr.write(`gemma-provision: this installation is broken: ${error.message}\n`);
      process.exitCode = 1;
    },
  );

  // The words of oclif's own --version, without loading it.
  function printVersion() {
    const pkg = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
    const platform = process.platform === 'linux' && /microsoft/i.test(os.release()) ? 'wsl' : process.platform;
    process.stdout.write(`${pkg.name}/${pkg.version} ${platform}-${process.arch} node-${process.version}\n`);
  }

  // V8's code cache in a folder that only this user can write. Never the default in the temporary folder: Node
  // trusts what it reads back, so whoever can write there runs code as this user.
  function enableCompileCache() {
    try {
      const nodeModule = require('node:module');
      const env = process.env;
      if (env.NODE_DISABLE_COMPILE_CACHE || env.NODE_COMPILE_CACHE || !nodeModule.enableCompileCache) return;
      const folder = path.join(cacheFolder(env), 'compile-cache');
      if (!isOurs(folder)) return;
      makeFolder(path.dirname(path.dirname(folder)));
      makeFolder(path.dirname(folder));
      makeFolder(folder);
      if (isOurs(folder)) nodeModule.enableCompileCache(folder);
    } catch (_error) {
      // A read-only home makes the start slower, nothing more.
    }
  }

  // True when no other user can write in the folder or put another in its place: each folder from the root down to it
  // belongs to this user or root, and only in one like /tmp, where none removes what belongs to others, may others write.
  function isOurs(folder) {
    if (!process.getuid) return true;
    // As it is written first: a link of another user could lead somewhere else a moment later.
    for (let part = folder; ; part = path.dirname(part)) {
      const facts = fs.lstatSync(part, { throwIfNoEntry: false });
      if (facts && facts.uid !== process.getuid() && facts.uid !== 0) return false;
      if (path.dirname(part) === part) break;
    }
    let at = folder;
    while (!fs.existsSync(at) && path.dirname(at) !== at) at = path.dirname(at);
    for (at = fs.realpathSync(at); ; at = path.dirname(at)) {
      const facts = fs.lstatSync(at);
      const isPrivate = !(facts.mode & 18) || (facts.mode & 512 && at !== folder);
      if (!facts.isDirectory() || (facts.uid !== process.getuid() && facts.uid !== 0) || !isPrivate) return false;
      if (path.dirname(at) === at) return true;
    }
  }

  // One level at a time: mkdirSync with `recursive` never returns below a folder such as /proc that refuses new ones.
  function makeFolder(folder) {
    try {
      fs.mkdirSync(folder, 448);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }

  function cacheFolder(env) {
    if (env.GEMMA_PROVISION_HOME) return path.join(env.GEMMA_PROVISION_HOME, 'cache');
    const home = os.homedir();
    if (process.platform === 'win32') {
      return path.join(env.LOCALAPPDATA || path.join(home, 'AppData', 'Local'), 'gemma-provision', 'Cache');
    }
    if (process.platform === 'darwin') return path.join(home, 'Library', 'Caches', 'gemma-provision');
    const xdg = env.XDG_CACHE_HOME;
    return path.join(xdg && path.isAbsolute(xdg) ? xdg : path.join(home, '.cache'), 'gemma-provision');
  }
})();
