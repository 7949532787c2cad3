<?php
/*
 * Twin of the workload cli-queue: the same job in PHP, so that its time per allocation says what PHP takes for the
 * work between two allocations. README.md says what corresponds to what and where the two differ.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_queue.php [--steps=N] [--seed=N] [--decoder=bytes|json] [--messages=FILE]
           [--write-messages=N]

  --steps=N             jobs to work off (default 100)
  --seed=N              of the random numbers (default 1)
  --decoder=bytes       in PHP, byte by byte, as the workload does it; json: PHP's own json_decode()
  --messages=FILE       where the broker's messages are (default: made and kept in a temporary file)
  --write-messages=N    write the messages of N jobs to --messages and stop

Prints one line of JSON: what was read back, and at checkpoints live bytes and the state of PHP's collector.

TEXT;

const ORDERS = 22;
const RELATIONS = 5;
const CYCLIC = 0.63;
const CACHE_ENTRIES = 6000;
const LOG_LINES = 1000;
const SERVICES = 300;
const LISTENERS = 4;
const ORDERS_PER_TRANSACTION = 8;
const EVICTION_LOOKS_MAX = 8;
const DEFAULT_JOBS = 50;

/* ---- Classes: as many properties as the workload's, since size is what matters ---- */

class Container
{
    public static Container $instance;

    public $services = [];
    public $bindings = [];
    public $cache;
    public $log;
    public $listeners = [];
}

class Service
{
    public $name, $container, $config, $calls, $p4, $p5, $p6, $p7, $p8, $p9;
}

class Callback
{
    public $kind, $target, $arguments, $result;

    public function handle(int $kind): void
    {
        if ($this->kind === $kind) {
            $this->result = $kind;
        }
    }
}

class Builder
{
    public $table, $wheres = [], $bindings = [], $columns = [], $limit;
    public $p5, $p6, $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17, $p18, $p19, $p20, $p21, $p22, $p23,
        $p24, $p25, $p26, $p27, $p28, $p29, $p30, $p31, $p32, $p33;

    public function from(string $prefix, string $table): static
    {
        $this->table = $prefix . $table;
        return $this;
    }

    public function select(string ...$columns): static
    {
        $this->columns = $columns;
        return $this;
    }

    public function where(string $column, string $operator, int $value): static
    {
        $this->wheres[] = ['type' => 'where', 'column' => $column, 'operator' => $operator, 'value' => $value,
            'boolean' => true];
        return $this;
    }

    public function bind(int ...$values): static
    {
        $this->bindings = ['select' => [], 'where' => $values];
        return $this;
    }

    public function limit(int $limit): static
    {
        $this->limit = $limit;
        return $this;
    }
}

class Grammar
{
    public function compile(Builder $builder): string
    {
        $sql = '';
        $separator = 'select ';
        foreach ($builder->columns as $column) {
            $sql .= $separator;
            $sql .= $this->wrap($builder->table, $column);
            $separator = ', ';
        }
        $sql .= ' from ';
        $sql .= $builder->table;
        $word = ' where ';
        foreach ($builder->wheres as $where) {
            $sql .= $word;
            $sql .= $this->wrap($builder->table, $where['column']);
            $sql .= ' = ?';
            $word = ' and ';
        }
        return $sql;
    }

    private function wrap(string $table, string $name): string
    {
        return "`{$table}`.`{$name}`";
    }
}

class Statement
{
    public $sql, $bindings, $rows, $count, $p4, $p5, $p6, $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17,
        $p18, $p19;
}

class Collection
{
    public $items, $class;
}

class Date
{
    public $timestamp, $zone, $text;

    public static function parse(string $text): Date
    {
        $date = new Date();
        $date->timestamp = self::timestamp($text);
        $date->zone = 'Europe/Zurich';
        $date->text = $text;
        return $date;
    }

    public function present(): string
    {
        $shown = str_replace(' ', 'T', $this->text);
        $shown .= '.000000Z';
        return $shown;
    }

    /** By arithmetic on digits, for substr() and gmmktime() allocate what the workload does not. */
    private static function timestamp(string $text): int
    {
        $year = 2000 + $text[2] * 10 + $text[3];
        $month = $text[5] * 10 + $text[6];
        if ($month < 3) {
            $year--;
            $month += 12;
        }
        $days = 365 * $year + intdiv($year, 4) - intdiv($year, 100) + intdiv($year, 400) + intdiv(153 * $month - 457, 5)
            + $text[8] * 10 + $text[9] - 719469;
        return $days * 86400 + ($text[11] * 10 + $text[12]) * 3600 + ($text[14] * 10 + $text[15]) * 60
            + $text[17] * 10 + $text[18];
    }
}

class Event
{
}

class Model
{
    public $attributes = [], $original = [], $relations = [], $parent, $container, $table, $exists, $keyName, $total;
    public $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17, $p18, $p19, $p20, $p21, $p22, $p23, $p24, $p25, $p26,
        $p27, $p28, $p29, $p30, $p31;

    private const CASTS = ['price' => 'price', 'quantity' => 'quantity', 'created_at' => 'created_at',
        'updated_at' => 'updated_at'];

    public function fill(array $row): void
    {
        $this->attributes = $row;
        $this->original = $row;
        $this->table = 'orders';
        $this->keyName = 'id';
        $this->exists = true;
        $this->total = 0;
    }

    public function castDates(): void
    {
        $this->castDate('created_at');
        $this->castDate('updated_at');
    }

    public function compareOriginal(): void
    {
        $changed = [];
        foreach ($this->attributes as $key => $value) {
            if ($value !== $this->original[$key]) {
                $changed[$key] = $value;
            }
        }
        $this->total = count($changed);
    }

    public function toArray(): array
    {
        if ($this->hasMutator('created_at')) {
            return [];
        }
        $presented = [];
        foreach ($this->visibleAttributes() as $key => $value) {
            $presented[$key] = $this->present($value);
        }
        return $presented;
    }

    private function visibleAttributes(): array
    {
        return array_diff_key($this->attributes, array_flip(['dsn', 'host']));
    }

    private function hasMutator(string $key): bool
    {
        $method = 'get';
        $method .= str_replace('_', '', ucwords($key, '_'));
        $method .= 'Attribute';
        return isset(Container::$instance->bindings[$method]);
    }

    private function present(mixed $value): mixed
    {
        if (is_string($value)) {
            return htmlspecialchars($value);
        }
        return $value instanceof Date ? $value->present() : $value;
    }

    private function castDate(string $key): void
    {
        if ($this->hasCast($key) && $this->isDate($key)) {
            $this->attributes[$key] = Date::parse($this->attributes[$key]);
        }
    }

    private function hasCast(string $key): bool
    {
        return isset($this->getCasts()[$key]);
    }

    private function isDate(string $key): bool
    {
        return in_array($key, $this->getDates(), true);
    }

    private function getCasts(): array
    {
        return array_merge(['id' => 'id'], self::CASTS);
    }

    private function getDates(): array
    {
        return [static::createdAt(), static::updatedAt()];
    }

    private static function createdAt(): string
    {
        return 'created_at';
    }

    private static function updatedAt(): string
    {
        return 'updated_at';
    }
}

class Job
{
    public $container, $output = '', $attempts, $p3, $p4, $p5, $p6, $p7, $p8, $p9, $p10, $p11;
}

class Transaction
{
    public static int $committed = 0;
    public $token, $model;

    public function __destruct()
    {
        self::$committed += $this->token + 1;
    }
}

/* ---- What lives on ---- */

class CacheStore
{
    public $entries = [], $order = [], $hand = 0, $stored = 0;

    /** The entry of a product; a miss stores it, in place of one that was not hit since the hand last passed. */
    public function fetch(int $product): array
    {
        $key = 'product:' . $product;
        if (isset($this->entries[$key])) {
            $this->entries[$key]['hits']++;
        } else {
            $this->store($key, $product, $this->findVictim(), true);
        }
        return $this->entries[$key];
    }

    public function store(string $key, int $product, int $position, bool $evict): void
    {
        if ($evict) {
            unset($this->entries[$this->order[$position]]);
        }
        $this->entries[$key] = ['id' => $product, 'title' => words(3), 'tags' => [words(1), words(1)], 'hits' => 0,
            'price' => mt_rand(0, 9999)];
        $this->order[$position] = $key;
        $this->stored++;
    }

    private function findVictim(): int
    {
        $position = $this->advance();
        for ($looks = 0; $looks < EVICTION_LOOKS_MAX; $looks++) {
            $key = $this->order[$position];
            if ($this->entries[$key]['hits'] === 0) {
                break;
            }
            $this->entries[$key]['hits'] = 0;
            $position = $this->advance();
        }
        return $position;
    }

    private function advance(): int
    {
        $position = $this->hand;
        $this->hand = ($position + 1) % CACHE_ENTRIES;
        return $position;
    }
}

class Log
{
    public $lines = [], $position = 0, $written = 0, $ignored = 0;

    private function pad(int $number, int $width): string
    {
        return str_pad((string) $number, $width, '0', STR_PAD_LEFT);
    }

    /** Below the level that is logged: the context was made for nothing. */
    public function detail(array $context): void
    {
        $this->ignored++;
    }

    public function info(int $job, int $models, int $bytes): void
    {
        $this->lines[$this->position] = '[job ' . $this->pad($job, 10)
            . '] queue.INFO: App\Jobs\SynchroniseOrders processed ' . $this->pad($models, 5)
            . ' models {"output_bytes":' . $this->pad($bytes, 7) . '}';
        $this->position = ($this->position + 1) % LOG_LINES;
        $this->written++;
    }
}

function boot(): Container
{
    $container = Container::$instance = new Container();
    for ($i = 0; $i < SERVICES; $i++) {
        $service = new Service();
        $service->name = (string) (100000 + $i);
        $service->container = $container;
        $service->config = ['driver' => words(1), 'host' => words(2), 'retry' => mt_rand(0, 999), 'dsn' => words(5)];
        $service->calls = 0;
        $container->services[] = $service;
        $container->bindings[$service->name] = $i;
    }
    for ($i = 0; $i < LISTENERS; $i++) {
        $listener = new Callback();
        $listener->kind = $i;
        $container->listeners[] = $listener;
    }
    $container->cache = new CacheStore();
    for ($i = 0; $i < CACHE_ENTRIES; $i++) {
        $container->cache->store('product:' . $i, $i, $i, false);
    }
    $container->log = new Log();
    for ($i = 0; $i < LOG_LINES; $i++) {
        $container->log->info(0, $i, 0);
    }
    return $container;
}

/* ---- A job ---- */

class Worker
{
    private Grammar $grammar;
    private string $prefix = 'app_';
    private array $twoDigits; // What sprintf() makes keeps room for 240 bytes.

    public function __construct(private Container $container, private bool $jsonDecode)
    {
        $this->grammar = new Grammar();
        $this->twoDigits = array_map(fn (int $number): string => substr((string) (100 + $number), 1), range(0, 59));
    }

    /** `receive` gives the next message. */
    public function work(int $number, Closure $receive): int
    {
        $job = new Job();
        $job->attempts = 1;
        $job->container = $this->container;
        for ($index = 0; $index < ORDERS; $index++) {
            $this->workOffOrder($number, $index, $receive, $job);
        }
        for ($i = 0; $i < 4; $i++) {
            $this->container->log->info($number, ORDERS * (RELATIONS + 1) + $i, strlen($job->output));
        }
        return crc32($job->output);
    }

    private function decode(string $message): array
    {
        return $this->jsonDecode ? json_decode($message, true) : (new MessageDecoder($message))->decode();
    }

    private function workOffOrder(int $number, int $index, Closure $receive, Job $job): void
    {
        $parent = $this->hydrateOrder($this->decode($receive()), $this->isCyclic($number, $index));
        $transaction = $index % ORDERS_PER_TRANSACTION === 0
            ? $this->openTransaction($number * ORDERS + $index, $parent) : null;
        $this->renderFamily($parent, $job);
    }

    private function isCyclic(int $number, int $index): bool
    {
        $order = ($number - 1) * ORDERS + $index;
        return (int) (($order + 1) * CYCLIC) > (int) ($order * CYCLIC);
    }

    private function openTransaction(int $token, Model $model): Transaction
    {
        $transaction = new Transaction();
        $transaction->token = $token;
        $transaction->model = $model;
        return $transaction;
    }

    /* ---- Queries ---- */

    private function query(string $table, array $sources, int $parentId): array
    {
        $builder = (new Builder())
            ->from($this->prefix, $table)
            ->where('order_id', '=', $parentId)
            ->where('status', '=', $parentId + 1)
            ->bind($parentId, $parentId + 1)
            ->select('id', 'name', 'price', 'note')
            ->limit(1000);
        $statement = $this->prepare($builder);
        unset($builder);
        $rows = [];
        $total = 0;
        foreach ($sources as $source) {
            $rows[] = $this->fetchRow($source, $parentId, $total);
        }
        $statement->count = $total;
        return $rows;
    }

    private function prepare(Builder $builder): Statement
    {
        $statement = new Statement();
        $statement->sql = $this->grammar->compile($builder);
        $statement->bindings = $builder->bindings;
        return $statement;
    }

    /** What the driver delivers: every text comes anew. `source` is an order, or an item: its id and quantity. */
    private function fetchRow(array $source, int $parentId, int &$total): array
    {
        $row = [];
        if (isset($source['id'])) {
            $row['id'] = $source['id'];
            $row['name'] = text_of_length(strlen($source['customer']));
        } else {
            $row['id'] = $source[0];
            $row['name'] = words(2);
            $row['quantity'] = $source[1];
        }
        $row['order_id'] = $parentId;
        $row['note'] = words(3 + mt_rand(0, 7));
        $row['price'] = mt_rand(0, 99999);
        $row['created_at'] = $this->fetchDate(mt_rand(1, 27));
        $row['updated_at'] = $this->fetchDate(28);
        $total++;
        return $row;
    }

    private function fetchDate(int $day): string
    {
        $month = mt_rand(1, 12);
        $hour = mt_rand(0, 23);
        $minute = mt_rand(0, 59);
        $second = mt_rand(0, 59);
        $digits = $this->twoDigits;
        return "2024-{$digits[$month]}-{$digits[$day]} {$digits[$hour]}:{$digits[$minute]}:{$digits[$second]}";
    }

    /* ---- Models ---- */

    private function hydrate(array $row): Model
    {
        $model = new Model();
        $model->fill($row);
        $this->fireEvent($model, 0);
        $model->castDates();
        $model->compareOriginal();
        $this->container->log->detail(['type' => $model->table, 'id' => $model->attributes['id'], 'retry' => false]);
        return $model;
    }

    private function fireEvent(Model $model, int $kind): void
    {
        $arguments = [new Event(), $model];
        foreach ($this->container->listeners as $listener) {
            $listener->handle($kind);
        }
    }

    private function hydrateOrder(array $order, bool $cyclic): Model
    {
        $rows = $this->query('orders', [$order], $order['id']);
        $parent = $this->hydrate($rows[0]);
        $parent->container = $this->container;
        $rows = $this->query('items', $order['items'], $order['id']);
        unset($order);
        $children = [];
        foreach ($rows as $row) {
            $child = $this->hydrate($row);
            $children[] = $child;
            if ($cyclic) {
                $child->parent = $parent;
            }
        }
        $collection = new Collection();
        $collection->items = $children;
        $collection->class = 'items';
        $parent->relations = ['items' => $collection];
        $this->runCallbacks($this->queueCallbacks($parent), $parent);
        return $parent;
    }

    private function queueCallbacks(Model $parent): array
    {
        $pending = [];
        for ($kind = 0; $kind < 2; $kind++) {
            $callback = new Callback();
            $callback->kind = $kind;
            $callback->target = $parent;
            $callback->arguments = [$kind + 1];
            $pending[] = $callback;
        }
        return $pending;
    }

    private function runCallbacks(array $pending, Model $parent): void
    {
        $sum = 0;
        foreach ($pending as $callback) {
            $total = 0;
            foreach ($callback->target->relations['items']->items as $child) {
                $this->addTo($total, $callback->arguments[0] * $child->attributes['quantity']);
            }
            $callback->result = $total;
            $sum += $total;
            unset($total);
        }
        $parent->total = $sum;
    }

    private function addTo(int &$total, int $amount): void
    {
        $total += $amount;
    }

    /* ---- Rendering ---- */

    private function renderFamily(Model $parent, Job $job): void
    {
        $this->renderModel($parent, $job);
        foreach ($parent->relations['items']->items as $child) {
            $this->renderModel($child, $job);
        }
        for ($i = 0; $i < 2; $i++) {
            $product = mt_rand(0, CACHE_ENTRIES + intdiv(CACHE_ENTRIES, 4) - 1);
            $job->output .= $this->container->cache->fetch($product)['title'];
        }
        $job->output .= $parent->total;
        $job->output .= "\n";
    }

    private function renderModel(Model $model, Job $job): void
    {
        $job->output .= json_encode($model->toArray());
        $job->output .= "\n";
    }
}

/* ---- The program ---- */

function main(array $arguments): void
{
    $options = read_options('cli_queue.php', $arguments, USAGE, ['steps' => 100, 'seed' => 1, 'decoder' => 'bytes',
        'messages' => '', 'write-messages' => 0]);
    if (!in_array($options['decoder'], ['bytes', 'json'], true)) {
        fail('cli_queue.php', "--decoder: expected bytes or json, not '{$options['decoder']}'");
    }
    mt_srand($options['seed']);
    if ($options['write-messages'] > 0) {
        if ($options['messages'] === '') {
            fail('cli_queue.php', '--write-messages needs --messages=FILE');
        }
        write_messages($options['messages'], $options['write-messages'] * ORDERS, RELATIONS);
        return;
    }
    $path = $options['messages'];
    if ($path === '') {
        $path = tempnam(sys_get_temp_dir(), 'twin');
        write_messages($path, DEFAULT_JOBS * ORDERS, RELATIONS);
        register_shutdown_function(fn () => unlink($path));
    }
    $stream = @fopen($path, 'rb') ?: fail('cli_queue.php', "$path cannot be read");
    $receive = fn (): string => receive_message($stream);
    $checkpoints = new Checkpoints($options['steps']);
    $worker = new Worker(boot(), $options['decoder'] === 'json');
    $checksum = 0;
    $is_recorded = function_exists('sapitrace_iteration');
    for ($number = 1; $number <= $options['steps']; $number++) {
        $checksum = ($checksum * 31 + $worker->work($number, $receive)) & 0xffffffff;
        $checkpoints->pass($number);
        if ($is_recorded) {
            sapitrace_iteration();
        }
    }
    gc_collect_cycles(); // The last jobs' transactions.
    $checkpoints->report('cli_queue.php', ['steps' => $options['steps'], 'decoder' => $options['decoder']], $checksum,
        ['committed' => Transaction::$committed]);
}

main(array_slice($argv, 1));
