/** Where the clients of the Hugging Face hub keep their files: the rules of `huggingface_hub` (its `constants.py`). */
import { join } from 'node:path';
import type { Env } from '../../core/environment.ts';

/** HF_HOME, or `huggingface` in XDG_CACHE_HOME or in `~/.cache`. */
export function hubHome(env: Env, home: string): string {
  const caches = pathIn(env, home, 'XDG_CACHE_HOME') ?? join(home, '.cache');
  return pathIn(env, home, 'HF_HOME') ?? join(caches, 'huggingface');
}

/** HF_HUB_CACHE, its older name HUGGINGFACE_HUB_CACHE, or `hub` in the home of the hub's clients. */
export function hubCache(env: Env, home: string): string {
  const named = pathIn(env, home, 'HF_HUB_CACHE') ?? pathIn(env, home, 'HUGGINGFACE_HUB_CACHE');
  return named ?? join(hubHome(env, home), 'hub');
}

/** The path in a variable, where `~` is the user's home folder; an empty one counts as unset. */
export function pathIn(env: Env, home: string, name: string): string | undefined {
  const path = env[name];
  if (path === undefined || path === '') return undefined;
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path;
}
