<?php
/*
 * Twin of the workload fpm-page: the same page in PHP. On the command line it renders pages in a loop; under
 * php-fpm one page a request. README.md says what corresponds to what and where the two differ.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/twin_requests.php';

const HELP = <<<'TEXT'
  --posts, --comments, --paragraphs, --options, --plugins
                   as of the workload

TEXT;
const DEFAULTS = ['posts' => 20, 'comments' => 48, 'paragraphs' => 16, 'options' => 600, 'plugins' => 25];
const CONSTANTS = 60;
const RULES = 90;
const USERS = 4;
const CALLBACKS_PER_HOOK = 3;
const HOOKS_PER_PLUGIN = 9;
const BLOCK_TYPES_PER_PLUGIN = 4;
const BLOCK_TYPE_ATTRIBUTES = ['id', 'name', 'slug', 'title', 'author'];
const TRANSLATIONS_PER_PLUGIN = 30;
const TERMS_PER_POST = 3;
const META_KEYS = ['id', 'name', 'slug', 'title', 'author', 'date'];
const BLOCKS = ['author', 'date', 'text', 'url'];
const MENU_ITEMS = 12;
const WIDGETS = 8;
const OPTIONS_READ = 60;

const HOOKS = ['the_title', 'the_content', 'the_paragraph', 'the_excerpt', 'the_date', 'the_author', 'post_link',
    'term_link', 'comment_text', 'comment_author_link', 'comment_class', 'get_avatar', 'nav_menu_item', 'widget_text',
    'option', 'body_class'];
const FUNCTIONS = ['callback_quotes', 'callback_trim', 'callback_pieces', 'callback_escape', 'callback_emphasise',
    'callback_nothing'];
const SCHEMES = ['http', 'https', 'ftp', 'mailto', 'tel'];
const ARGUMENT_DEFAULTS = ['before' => 0, 'after' => 1, 'class' => 2, 'echo' => 3, 'depth' => 4, 'format' => 5,
    'kind' => 6, 'slug' => 7];

/* ---- Classes: as many properties as the workload's, since size is what matters ---- */

class Post
{
    public $id, $title, $content, $author, $terms, $meta, $date;
    public $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17, $p18, $p19, $p20, $p21, $p22, $p23;
}

class User
{
    public $id, $name, $roles, $p3, $p4, $p5, $p6, $p7;
}

class Comment
{
    public $id, $author, $text, $date, $parent, $p5, $p6, $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15;
}

class Link
{
    public $target, $label, $arguments, $p3, $p4, $p5, $p6, $p7, $p8, $p9;
}

class Date
{
    public $seconds, $format, $p2, $p3, $p4;
}

class BlockType
{
    public $name, $title, $attributes, $p3, $p4, $p5, $p6, $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17,
        $p18, $p19;
}

class Query
{
    public static int $closed = 0;
    public $token, $arguments;
    public $p2, $p3, $p4, $p5, $p6, $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17, $p18, $p19, $p20,
        $p21, $p22, $p23, $p24, $p25, $p26, $p27;

    public function __destruct()
    {
        self::$closed += $this->token & 0xffff;
    }
}

/* ---- Callbacks of the filters ---- */

/** Text that is not UTF-8 is dropped; asked of PCRE, as content systems do. */
function valid_text(string $text): string
{
    static $unicode = null;
    if ($text === '') {
        return '';
    }
    $unicode ??= in_array(ini_get('default_charset'), ['UTF-8', 'utf-8', 'UTF8', 'utf8'], true);
    if (!$unicode || preg_match('/^./us', $text) === 1) {
        return $text;
    }
    return '';
}

function callback_quotes(string $text): string
{
    if (preg_match('/["\']/', $text) !== 1) {
        return $text;
    }
    return str_replace("'", '&#8217;', str_replace('"', '&#8221;', $text));
}

function callback_trim(string $text): string
{
    return trim(valid_text($text), ' ');
}

/** Split at markup, look at every tag, put together again. */
function callback_pieces(string $text): string
{
    $pieces = explode('<', $text);
    $open = 0;
    foreach ($pieces as $number => $piece) {
        if ($number === 0 || $piece === '') {
            continue;
        }
        if ($piece[0] === '/') {
            $open--;
        } elseif (strncmp($piece, 'br', 2) !== 0 && strncmp($piece, 'img', 3) !== 0) {
            $open++;
        }
    }
    return implode('<', $pieces);
}

function callback_escape(string $text): string
{
    return htmlspecialchars(valid_text($text), ENT_QUOTES);
}

function callback_emphasise(string $text): string
{
    if (preg_match('/\bmarket\b|&amp;#/', $text) !== 1) {
        return $text;
    }
    return str_replace('&amp;#', '&#', str_replace('market', '<em>market</em>', $text));
}

function callback_nothing(string $text): string
{
    return is_numeric($text) ? $text : valid_text($text);
}

/** A class name of letters, digits and dashes, or a safe one in its place. */
function valid_class(string $name): string
{
    return preg_match('/^[A-Za-z][A-Za-z0-9_-]*$/', $name) === 1 ? $name : 'type-none';
}

/** An address with a scheme that is allowed, or none. */
function valid_url(string $url): string
{
    $colon = strpos($url, ':');
    if ($colon !== false) {
        $allowed = false;
        foreach (SCHEMES as $scheme) {
            if (strncasecmp($url, $scheme, $colon) === 0) {
                $allowed = true;
                break;
            }
        }
        if (!$allowed) {
            return '';
        }
    }
    return preg_match('/[\x00-\x1f"<>]/', $url) === 0 ? $url : '';
}

/** What the database holds of a post: paragraphs of markup and text, one string. */
function content_text(int $paragraphs): string
{
    static $line = null;
    if ($line === null) {
        $line = "It's a \"";
        for ($i = 0; $i < 5; $i++) {
            $line .= substr(VOCABULARY, $i * 60, 66) . ' & ';
        }
        $line .= "end\"\n";
    }
    return str_repeat($line, $paragraphs);
}

/* ---- A page ---- */

class Page
{
    private array $constants = [];
    private array $options = [];
    private array $hooks = [];
    private array $rules = [];
    private array $users = [];
    private array $posts = [];
    private array $cache = [];
    private array $current = [];
    private array $kept = [];
    private array $inner = [];
    private int $depth = 0;

    private array $arguments = [];
    private array $blockTypes = [];
    private array $translations = [];

    public function __construct(private array $scale, private int $request)
    {
    }

    public function run(): string
    {
        $this->defineConstants();
        $this->loadOptions();
        $this->addFilters();
        $this->loadPlugins();
        $this->loadRules();
        $this->loadUsers();
        $matches = $this->route();
        return $this->render();
    }

    /* ---- Boot ---- */

    private function defineConstants(): void
    {
        for ($i = 0; $i < CONSTANTS; $i++) {
            $this->constants[sprintf('SITE_CONSTANT_%02d', $i)] = $i % 3 === 0 ? words(3) : $i;
        }
    }

    private function makeOption(int $index): mixed
    {
        if ($index % 4 === 1) {
            return $index;
        }
        if ($index % 4 !== 3) {
            return words(1 + $index % 6);
        }
        $list = [];
        for ($i = 0; $i < 3; $i++) {
            $list[] = words(2);
        }
        return $list;
    }

    private function loadOptions(): void
    {
        for ($i = 0; $i < $this->scale['options']; $i++) {
            $this->options['option_' . $i] = $this->makeOption($i);
        }
    }

    private function addFilters(): void
    {
        foreach (HOOKS as $number => $hook) {
            for ($i = 0; $i < CALLBACKS_PER_HOOK; $i++) {
                $this->addFilter($hook, $number + 3 * $i);
            }
        }
    }

    private function addFilter(string $hook, int $kind): void
    {
        $this->hooks[$hook][] = ['kind' => $kind, 'priority' => 10, 'accepted' => 1 + $kind % 3];
    }

    private function registerBlockType(int $number): void
    {
        $type = new BlockType();
        $type->name = "plugin/block-$number";
        $this->blockTypes[$type->name] = $type;
        $type->title = words(3);
        $type->attributes = [];
        foreach (BLOCK_TYPE_ATTRIBUTES as $position => $name) {
            $type->attributes[$name] = ['kind' => $position, 'text' => words(2)];
        }
    }

    private function loadPlugins(): void
    {
        for ($plugin = 0; $plugin < $this->scale['plugins']; $plugin++) {
            for ($i = 0; $i < HOOKS_PER_PLUGIN; $i++) {
                $hook = "plugin_{$plugin}_filter$i";
                for ($j = 0; $j < CALLBACKS_PER_HOOK; $j++) {
                    $this->addFilter($hook, $i + $j);
                }
            }
            for ($i = 0; $i < BLOCK_TYPES_PER_PLUGIN; $i++) {
                $this->registerBlockType($plugin * BLOCK_TYPES_PER_PLUGIN + $i);
            }
            for ($i = 0; $i < TRANSLATIONS_PER_PLUGIN; $i++) {
                $this->translations["original $plugin of $i"] = words(1 + $i % 5);
            }
        }
    }

    private function loadRules(): void
    {
        for ($i = 0; $i < RULES; $i++) {
            $pattern = sprintf('%s/%02d/([^/]+)/page/?$', words(1), $i);
            $this->rules[$pattern] = sprintf('index.php?kind=%d&name=$matches[1]', $i);
        }
    }

    private function loadUsers(): void
    {
        for ($i = 0; $i < USERS; $i++) {
            $user = new User();
            $user->id = $i + 1;
            $user->name = words(2);
            $user->roles = [words(1)];
            $this->users[] = $user;
        }
    }

    private function route(): array
    {
        $path = sprintf('%s/%d/page', words(1), $this->request);
        $pieces = explode('/', $path);
        $matches = explode('&', $this->matchRule($pieces[0]));
        $matches[] = $path;
        return $matches;
    }

    /** A rule matches when the path's first piece begins it; the last one always stands in. */
    private function matchRule(string $first): string
    {
        foreach ($this->rules as $pattern => $query) {
            if (strncmp($pattern, $first, strlen($first)) === 0) {
                break;
            }
        }
        return $query;
    }

    /* ---- What the database holds ---- */

    private function makeRow(int $id, int $words): array
    {
        $row = [];
        $row['id'] = (string) $id;
        $row['author'] = words(2);
        $row['email'] = words(1);
        $row['url'] = words(1);
        $row['date'] = (string) (1700000000 + $id);
        $row['text'] = words($words);
        $row['status'] = 1;
        $row['parent'] = $id % 3;
        $row['kind'] = $id % 5;
        return $row;
    }

    private function makeTerms(): array
    {
        $terms = [];
        for ($i = 0; $i < TERMS_PER_POST; $i++) {
            $terms[] = ['name' => words(1), 'slug' => words(2), 'id' => $i];
        }
        return $terms;
    }

    private function makeMeta(): array
    {
        $meta = [];
        foreach (META_KEYS as $key) {
            $meta['_meta_' . $key][] = words(2);
        }
        return $meta;
    }

    private function remember(string $group, int $id, array $row): void
    {
        $this->cache[$group . $id] = $row;
    }

    private function fetchPost(int $index): Post
    {
        $row = $this->makeRow($index, 8);
        $post = new Post();
        $this->posts[] = $post;
        $post->id = $index;
        $post->title = $row['text'];
        $post->date = $row['date'];
        $post->author = $this->users[$index % USERS];
        $post->content = content_text($this->scale['paragraphs']);
        $post->terms = $this->makeTerms();
        $post->meta = $this->makeMeta();
        $this->remember('post:', $index, $row);
        return $post;
    }

    private function fetchComment(int $index): Comment
    {
        $row = $this->makeRow($index, 27);
        $comment = new Comment();
        $comment->id = $index;
        $comment->author = $row['author'];
        $comment->text = $row['text'];
        $comment->date = $row['date'];
        $comment->parent = $row['parent'];
        if ($index % 2 === 0) {
            $this->remember('comment:', $index, $row);
        }
        return $comment;
    }

    private function query(int $index): void
    {
        $query = new Query();
        $query->token = mt_rand();
        $query->arguments = $this->arguments('id', $index);
    }

    /* ---- Filters ---- */

    private function filter(string $hook, string $value, mixed $subject): string
    {
        if (!isset($this->hooks[$hook])) {
            return $value;
        }
        if (isset($this->hooks[$hook . '_' . (is_object($subject) ? $subject::class : 'Site')])) {
            return $value;
        }
        $this->depth++;
        $this->current[] = $hook;
        $running = ['name' => $hook, 'priority' => 10, 'depth' => $this->depth];
        foreach ($this->hooks[$hook] as $callback) {
            if ($callback['priority'] < $running['priority']) {
                continue;
            }
            $value = $this->runCallback($callback, $value, $subject);
        }
        array_pop($this->current);
        $this->depth--;
        return $value;
    }

    /** The value travels by reference where the callback accepts three arguments. The list
     * stays until the next one is made. */
    private function runCallback(array $callback, string $value, mixed $subject): string
    {
        $function = FUNCTIONS[$callback['kind'] % 6];
        if ($callback['accepted'] === 3) {
            $arguments = [&$value];
        } else {
            $arguments = [$value];
        }
        if ($subject !== null) {
            $arguments[] = $subject;
        }
        $this->arguments = $arguments;
        $value = $function(...$arguments);
        return $value;
    }

    private function arguments(string $key, mixed $value): array
    {
        $arguments = [];
        foreach (ARGUMENT_DEFAULTS as $name => $default) {
            $arguments[$name] = $name === $key ? $value : $default;
        }
        $arguments[$key] = $value;
        return $arguments;
    }

    /* ---- Templates ---- */

    private function classes(string &$buffer, string $hook, int $count): void
    {
        $list = [];
        for ($i = 0; $i < $count; $i++) {
            $list[] = valid_class($this->filter($hook, 'type-' . words(1), null));
        }
        $buffer .= ' class="';
        $buffer .= implode(' ', $list);
        $buffer .= '">';
    }

    private function makeLink(string $base, string $label): Link
    {
        $link = new Link();
        $this->kept[] = $link;
        $slug = words(2);
        $link->target = $base . $slug;
        $link->arguments = $this->arguments('url', $slug);
        $link->label = $label;
        return $link;
    }

    private function link(string &$buffer, string $hook, string $base, string $label, mixed $subject): void
    {
        $link = $this->makeLink($base, $label);
        $buffer .= '<a href="';
        $buffer .= valid_url($this->filter('post_link', $link->target, $subject));
        $buffer .= '">';
        $buffer .= $this->filter($hook, $link->label, $subject);
        $buffer .= '</a>';
    }

    private function avatar(string &$buffer, Comment $comment): void
    {
        $arguments = $this->arguments('name', $comment->author);
        $image = sprintf(
            "<img alt='' src='https://avatars.example/%016x?s=56&d=mm' height='56'/>",
            crc32($comment->author)
        );
        $buffer .= $this->filter('get_avatar', $image, $comment);
    }

    /** A parsed block: its name and attributes, and a list of what it contains. */
    private function keepBlock(array &$list, string $name): void
    {
        $block = [];
        $block['name'] = $name;
        $content = [];
        $content[] = null;
        $block['text'] = $content;
        $list[] = $block;
    }

    private function dateText(string $seconds): string
    {
        $date = new Date();
        $date->seconds = (int) $seconds;
        $date->format = 'Y-m-d H:i';
        return gmdate($date->format, $date->seconds);
    }

    private function comment(int $index): string
    {
        $comment = $this->fetchComment($index);
        $this->kept[] = $comment;
        foreach (BLOCKS as $name) {
            $this->keepBlock($this->kept, $name);
        }
        $this->inner = [];
        foreach (BLOCKS as $name) {
            $this->keepBlock($this->inner, $name);
        }
        $buffer = '';
        $buffer .= '<li';
        $this->classes($buffer, 'comment_class', 3);
        $this->avatar($buffer, $comment);
        $this->link($buffer, 'comment_author_link', 'https://example.org/', $comment->author, $comment);
        $buffer .= $this->filter('the_date', $this->dateText($comment->date), $comment);
        $buffer .= '<p>';
        $buffer .= $this->filter('comment_text', $comment->text, $comment);
        $buffer .= "</p></li>\n";
        return $buffer;
    }

    private function content(Post $post): string
    {
        $buffer = '';
        $text = $this->filter('the_content', $post->content, $post);
        foreach (explode("\n", $text) as $paragraph) {
            $buffer .= '<p>';
            $buffer .= $this->filter('the_paragraph', $paragraph, $post);
            $buffer .= "</p>\n";
        }
        return $buffer;
    }

    private function post(int $index): string
    {
        $this->kept = [];
        $post = $this->fetchPost($index);
        $buffer = '';
        $buffer .= '<article';
        $this->classes($buffer, 'body_class', 5);
        $this->link($buffer, 'the_title', '/post/', $post->title, $post);
        $buffer .= $this->filter('the_author', $post->author->name, $post);
        $buffer .= $this->filter('the_date', $this->dateText($post->date), $post);
        foreach ($post->terms as $term) {
            $this->link($buffer, 'term_link', '/category/', $term['name'], $post);
        }
        $buffer .= $this->content($post);
        $count = $this->scale['comments'];
        for ($i = 0; $i < $count; $i++) {
            $buffer .= $this->comment($index * $count + $i);
        }
        $buffer .= "</article>\n";
        return $buffer;
    }

    private function header(): string
    {
        $buffer = '';
        $buffer .= '<!doctype html><html><head><title>';
        $buffer .= $this->filter('the_title', words(4), null);
        $buffer .= '</title></head><body';
        $this->classes($buffer, 'body_class', 6);
        for ($i = 0; $i < MENU_ITEMS; $i++) {
            $this->link($buffer, 'nav_menu_item', '/menu/', words(2), null);
        }
        return $buffer;
    }

    private function sidebar(): string
    {
        $buffer = '';
        for ($i = 0; $i < WIDGETS; $i++) {
            $this->link($buffer, 'widget_text', '/widget/', words(3), null);
            $buffer .= $this->filter('widget_text', words(24), null);
        }
        for ($i = 0; $i < OPTIONS_READ; $i++) {
            $option = $this->options['option_' . $i * 7 % $this->scale['options']];
            if (is_string($option)) {
                $buffer .= $this->filter('option', $option, null);
            }
        }
        $buffer .= "</body></html>\n";
        return $buffer;
    }

    private function render(): string
    {
        $output = '';
        $output .= $this->header();
        $this->query(0);
        for ($i = 0; $i < $this->scale['posts']; $i++) {
            $output .= $this->post($i);
            $this->query($i + 1);
        }
        $output .= $this->sidebar();
        return $output;
    }
}

/* ---- The program ---- */

run_requests('fpm_page', DEFAULTS, HELP, static function (int $number, array $options): array {
    $page = new Page($options, $number);
    return [$page->run(), $page];
});
