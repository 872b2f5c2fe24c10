import type { Env } from '../../core/environment.ts';

/**
 * Where the system's loader looks for libraries before it looks beside the engine's own binary. Windows looks beside it
 * first.
 */
const VARIABLES = ['LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH'] as const;

/** A library of llama.cpp, of any version: `libggml-base.so`, `libllama.v0.5.0.so`, `libllama.dylib`. */
const LLAMA_CPP = /^lib(llama|ggml|mtmd)\b.*\.(so|dylib)\b/;

/**
 * The environment of the engine's process: folders with another llama.cpp are left out of the library path, since their
 * libraries have the same names as the engine's own and would be loaded in their place. The other folders stay: CUDA is
 * found through them on NixOS and WSL. The engine's own folder is not put first instead: which of the engine's builds is
 * loaded (CUDA, Vulkan, processor) shows only when it loads, and each has its own libraries under the same names.
 */
export async function engineEnvironment(
  env: Env,
  readdir: (folder: string) => Promise<readonly string[]>,
): Promise<Env> {
  const changed: Record<string, string> = {};
  for (const name of VARIABLES) {
    const value = env[name] ?? '';
    if (value === '') continue;
    const folders = value.split(/[:;]/);
    const kept: string[] = [];
    for (const folder of folders) {
      // An empty entry is the current folder.
      const names = await readdir(folder === '' ? '.' : folder).catch(() => []);
      if (!names.some((each) => LLAMA_CPP.test(each))) kept.push(folder);
    }
    if (kept.length < folders.length) changed[name] = kept.join(':');
  }
  return Object.keys(changed).length === 0 ? env : { ...env, ...changed };
}
