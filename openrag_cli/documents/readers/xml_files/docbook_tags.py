"""What the elements of DocBook are to a reader of text."""

_DIVISIONS = """set book part reference chapter appendix preface article section sect1 sect2 sect3 sect4 sect5 simplesect
    refentry refsect1 refsect2 refsect3 refsection refsynopsisdiv glossary glossdiv bibliography bibliodiv index indexdiv
    dedication colophon acknowledgements topic partintro qandaset qandadiv"""
_UNSEEN = """indexterm remark comment beginpage anchor areaspec colspec spanspec itermset titleabbrev alt imageobject
    videoobject audioobject imageobjectco toc lot subjectset keywordset"""
_BY_TAG = {
    "div": """info bookinfo articleinfo setinfo chapterinfo appendixinfo prefaceinfo partinfo referenceinfo refentryinfo
        sect1info sect2info sect3info sectioninfo artheader docinfo objectinfo abstract legalnotice author editor authorgroup
        othercredit copyright pubdate date edition publisher publishername isbn corpauthor confgroup varlistentry glossentry
        qandaentry question answer formalpara figure informalfigure example informalexample sidebar equation informalequation
        refnamediv cmdsynopsis funcsynopsis classsynopsis methodsynopsis constructorsynopsis mediaobject caption textobject
        biblioentry bibliomixed segmentedlist seglistitem msg msgset msgentry msgmain msgexplan task tasksummary screenshot
        printhistory personblurb authorblurb affiliation programlistingco screenco graphicco indexentry productionset""",
    "code": """literal code command filename option function varname constant type parameter replaceable userinput
        computeroutput prompt envar systemitem classname methodname markup tag sgmltag property interfacename structname
        structfield keycode errorcode errorname returnvalue token symbol uri exceptionname""",
    "p": "para simpara address subtitle attribution releaseinfo",
    "ul": "itemizedlist simplelist calloutlist stepalternatives bibliolist revhistory",
    "ol": "orderedlist procedure substeps",
    "li": "member callout step listitem revision",
    "dl": "variablelist glosslist",
    "dt": "term",
    "dd": "glossdef glosssee glossseealso",
    "pre": "programlisting screen literallayout synopsis funcsynopsisinfo classsynopsisinfo",
    "em": "citetitle firstterm foreignphrase wordasword",
    "blockquote": "blockquote epigraph",
    "q": "quote",
    "sup": "superscript",
    "sub": "subscript",
    "br": "sbr",
    "tr": "row tr",
}
_AS_IN_PAGES = "thead tbody tfoot td th caption"

DIVISIONS = frozenset(_DIVISIONS.split())
"""Parts with a title that is a heading."""
UNSEEN = frozenset(_UNSEEN.split())
"""What is not printed where it stands."""
ADMONITIONS = frozenset({"note", "tip", "warning", "caution", "important", "danger"})
PARAGRAPHS = frozenset({"para", "simpara", "title", "term", "subtitle", "attribution", "bridgehead"})
TAGS = {name: tag for tag, names in _BY_TAG.items() for name in names.split()}
TAGS |= {name: name for name in _AS_IN_PAGES.split()}
"""Element -> that of a page; what is not named is a piece of its line."""
NAMES = ("honorific", "firstname", "givenname", "othername", "surname", "lineage")
"""The parts of a name, in the order in which it is written."""
