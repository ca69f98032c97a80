// Loads a run's data. Each data file is a script that calls hiperReport with its content: scripts can be
// loaded from file:// too, where a page may not read other files.

const FORMAT = 1;
const receivers = new WeakMap();
window.hiperReport = (content) => receivers.get(document.currentScript)?.(content);

/** Reads data files from the folder at this URL. */
function scriptReader(folder) {
  return (name, stamp) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      receivers.set(script, resolve);
      script.src = `${folder}/${name}.js?${encodeURIComponent(stamp)}`;
      script.onerror = () => reject(new Error(`${folder}/${name}.js is missing`));
      script.onload = () => {
        script.remove();
        reject(new Error(`${folder}/${name}.js is damaged`)); // Without effect once it has given its content.
      };
      document.head.append(script);
    });
}

/** Reads data files that were chosen in the page; their content is parsed, not run. */
function chosenReader(files) {
  const byName = new Map([...files].map((file) => [file.name, file]));
  return async (name) => {
    const file = byName.get(`${name}.js`);
    if (!file) throw new Error(`the chosen folder has no ${name}.js`);
    const text = await file.text();
    return JSON.parse(text.slice(text.indexOf("(") + 1, text.lastIndexOf(")")));
  };
}

/** The episodes of one run: all rows of its index, and the turns of those that were opened. */
class RunData {
  constructor(letter, read) {
    this.letter = letter; // "a" for the page's own run, "b" for the other one
    this.read = read;
    this.head = null;
    this.notes = [];
    this.episodes = [];
    this.parts = new Map(); // number of a part -> its stamp and the episodes of each of its blocks
    this.opened = new Map(); // "block stamp" -> promise of its episodes' turns
  }

  /** Reads the head, and the parts of the index that have changed. Returns whether anything has. */
  async refresh() {
    const head = await this.read("run", String(Date.now()));
    if (head.format !== FORMAT) {
      throw new Error("the report's data are of another version: write the report again");
    }
    const changed = this.head === null || JSON.stringify(head) !== JSON.stringify(this.head);
    this.head = head;
    if (!changed) return false;
    this.notes = [...head.notes];
    const stale = head.parts.filter(([number, stamp]) => this.parts.get(number)?.stamp !== stamp);
    await Promise.all(stale.map(([number, stamp]) => this.#readPart(number, stamp)));
    const numbers = head.parts.map(([number]) => number);
    this.episodes = numbers.flatMap((number) => this.parts.get(number)?.episodes ?? []);
    return true;
  }

  async #readPart(number, stamp) {
    try {
      const { columns, blocks } = await this.read(`index-${number}`, stamp);
      const episodes = blocks.flatMap((block) => block.rows.map((row) => this.#episode(columns, row, block)));
      this.parts.set(number, { stamp, episodes });
    } catch (error) {
      this.notes.push(`Some episodes are not shown: ${error.message}.`);
    }
  }

  #episode(columns, row, block) {
    const episode = Object.fromEntries(columns.map((column, place) => [column, row[place]]));
    episode.run = this;
    episode.key = `${this.letter}${episode.number}`;
    episode.block = block.block;
    episode.stamp = block.stamp;
    const texts = [episode.number, episode.task, episode.type, episode.goal, ...episode.subgoals];
    episode.text = texts.join(" ").toLowerCase();
    return episode;
  }

  /** The turns of an episode, with what else its file has. */
  async turns(episode) {
    const key = `${episode.block} ${episode.stamp}`;
    if (!this.opened.has(key)) {
      if (this.opened.size > 50) this.opened.clear(); // Keeps memory small while somebody pages through a run.
      this.opened.set(key, this.read(`episodes-${episode.block}`, episode.stamp));
    }
    try {
      return (await this.opened.get(key)).episodes[episode.number];
    } catch (error) {
      this.opened.delete(key);
      throw error;
    }
  }

  find(number) {
    return this.episodes.find((episode) => episode.number === number);
  }
}
