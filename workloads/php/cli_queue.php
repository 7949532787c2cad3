<?php
/*
 * Twin of the workload cli-queue: the same job in PHP, so that its time per allocation says what PHP takes for the
 * work between two allocations. README.md says what corresponds to what and where the two differ.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';

const USAGE = <<<'TEXT'
usage: php cli_queue.php [--steps=N] [--seed=N] [--decoder=bytes|json] [--messages=FILE]
           [--write-messages=N]

  --steps=N             jobs to work off (default 100)
  --seed=N              of the random numbers (default 1)
  --decoder=bytes       in PHP, byte by byte, as the workload does it; json: PHP's own json_decode()
  --messages=FILE       where the broker's messages are (default: made and kept in a temporary file)
  --write-messages=N    write N messages to --messages and stop

TEXT;

const ORDERS = 22;
const RELATIONS = 5;
const CYCLIC = 0.63;
const CACHE_ENTRIES = 5000;
const LOG_LINES = 1000;
const SERVICES = 300;
const LISTENERS = 4;
const ORDERS_PER_TRANSACTION = 8;
const EVICTION_LOOKS_MAX = 8;
const DEFAULT_MESSAGES = 50;

/* ---- Classes: as many properties as the workload's, since size is what matters ---- */

class Container
{
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
    public $from, $wheres = [], $bindings = [], $columns = [], $limit;
    public $p5, $p6, $p7, $p8, $p9, $p10, $p11, $p12, $p13, $p14, $p15, $p16, $p17, $p18, $p19, $p20, $p21, $p22, $p23,
        $p24, $p25, $p26, $p27, $p28, $p29, $p30, $p31, $p32, $p33;

    public function from(string $prefix, string $table): static
    {
        $this->from = $prefix . $table;
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
        $pieces = [];
        $pieces[] = $this->compileColumns($builder);
        $pieces[] = 'from ' . $builder->from;
        $word = 'where ';
        foreach ($builder->wheres as $where) {
            $pieces[] = $word . $this->wrap($where['column']);
            $pieces[] = $where['operator'] . ' ?';
            $word = 'and ';
        }
        return implode(' ', $pieces);
    }

    private function compileColumns(Builder $builder): string
    {
        $quoted = [];
        foreach ($builder->columns as $column) {
            $quoted[] = $this->wrap($column);
        }
        return 'select ' . implode(', ', $quoted);
    }

    private function wrap(string $name): string
    {
        return "`{$name}`";
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
        $date->timestamp = (int) $text;
        $date->zone = 'Europe/Zurich';
        $date->text = $text;
        return $date;
    }

    public function present(): string
    {
        return sprintf('day %d', intdiv($this->timestamp, 86400));
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
        $presented = [];
        $hidden = array_flip(['dsn', 'host']);
        foreach ($this->attributes as $key => $value) {
            if (!isset($hidden[$key])) {
                $presented[$key] = $this->present($value);
            }
        }
        return $presented;
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
        if ($this->isDate($key)) {
            $this->attributes[$key] = Date::parse($this->attributes[$key]);
        }
    }

    private function isDate(string $key): bool
    {
        $casts = $this->getCasts();
        return in_array($key, $this->getDates(), true) && isset($casts[$key]);
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
    public $container, $message, $data, $models, $attempts, $p5, $p6, $p7, $p8, $p9, $p10, $p11;
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
    public $lines = [], $position = 0, $written = 0;

    public function info(int $job, int $models, int $bytes): void
    {
        $this->lines[$this->position] = sprintf(
            '[job %010d] queue.INFO: App\Jobs\SynchroniseOrders processed %05d models {"output_bytes":%07d}',
            $job,
            $models,
            $bytes
        );
        $this->position = ($this->position + 1) % LOG_LINES;
        $this->written++;
    }
}

function boot(): Container
{
    $container = new Container();
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

    public function __construct(private Container $container, private bool $jsonDecode)
    {
        $this->grammar = new Grammar();
    }

    public function work(int $number, string $message): int
    {
        $data = $this->jsonDecode ? json_decode($message, true) : (new MessageDecoder($message))->decode();
        $job = new Job();
        $job->message = $message;
        $job->data = $data;
        $job->attempts = 1;
        $job->container = $this->container;
        $models = [];
        $open = [];
        foreach ($data['orders'] as $index => $order) {
            $parent = $this->hydrateOrder($order, $this->isCyclic($number, $index));
            $models[] = $parent;
            if ($index % ORDERS_PER_TRANSACTION === 0) {
                $open[] = $this->openTransaction($number * ORDERS + $index, $parent);
            }
        }
        $job->models = $models;
        $output = '';
        foreach ($models as $model) {
            $this->renderFamily($model, $output);
        }
        for ($i = 0; $i < 4; $i++) {
            $this->container->log->info($number, count($models) * (RELATIONS + 1) + $i, strlen($output));
        }
        return crc32($output);
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
        $statement = new Statement();
        $statement->sql = $this->grammar->compile($builder);
        $statement->bindings = $builder->bindings;
        $rows = [];
        $total = 0;
        foreach ($sources as $source) {
            $rows[] = $this->fetchRow($source, $parentId, $total);
        }
        $statement->count = $total;
        return $rows;
    }

    /** What the driver delivers: every text comes anew. */
    private function fetchRow(array $source, int $parentId, int &$total): array
    {
        $row = [];
        $row['id'] = $source['id'];
        $row['order_id'] = $parentId;
        $row['name'] = text_of_length(strlen($source['name'] ?? $source['customer']));
        if (isset($source['quantity'])) {
            $row['quantity'] = $source['quantity'];
        }
        $row['note'] = words(3 + mt_rand(0, 7));
        $row['price'] = mt_rand(0, 99999);
        $stamp = 1700000000 + mt_rand(0, 49999999);
        $row['created_at'] = (string) $stamp;
        $row['updated_at'] = (string) ($stamp + 86400);
        $total++;
        return $row;
    }

    /* ---- Models ---- */

    private function hydrate(array $row): Model
    {
        $model = new Model();
        $model->fill($row);
        $this->fireEvent($model, 0);
        $model->castDates();
        $model->compareOriginal();
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

    private function renderFamily(Model $parent, string &$output): void
    {
        $this->renderModel($parent, $output);
        foreach ($parent->relations['items']->items as $child) {
            $this->renderModel($child, $output);
        }
        for ($i = 0; $i < 2; $i++) {
            $output .= $this->container->cache->fetch(mt_rand(0, CACHE_ENTRIES + intdiv(CACHE_ENTRIES, 4) - 1))['title'];
        }
        $output .= $parent->total;
        $output .= "\n";
    }

    private function renderModel(Model $model, string &$output): void
    {
        $output .= json_encode($model->toArray());
        $output .= "\n";
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
        write_messages($options['messages'], $options['write-messages'], ORDERS, RELATIONS);
        return;
    }
    $path = $options['messages'];
    if ($path === '') {
        $path = tempnam(sys_get_temp_dir(), 'twin');
        write_messages($path, DEFAULT_MESSAGES, ORDERS, RELATIONS);
        register_shutdown_function(fn () => unlink($path));
    }
    $stream = @fopen($path, 'rb') ?: fail('cli_queue.php', "$path cannot be read");
    $worker = new Worker(boot(), $options['decoder'] === 'json');
    $checksum = 0;
    $is_recorded = function_exists('sapitrace_iteration');
    for ($number = 1; $number <= $options['steps']; $number++) {
        $checksum = ($checksum * 31 + $worker->work($number, receive_message($stream))) & 0xffffffff;
        if ($is_recorded) {
            sapitrace_iteration();
        }
    }
    gc_collect_cycles(); // The last jobs' transactions.
    printf("{\"steps\":%d,\"checksum\":\"%08x\",\"committed\":%d,\"gc_runs\":%d,\"gc_collected\":%d}\n",
        $options['steps'], $checksum, Transaction::$committed, gc_status()['runs'], gc_status()['collected']);
}

main(array_slice($argv, 1));
